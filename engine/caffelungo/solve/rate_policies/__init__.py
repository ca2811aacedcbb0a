"""The learning rate policies that come with the package, each registered with ``rate_policy.register``."""
