"""`lungo inspect`: what fine-tuning did to a net, measured on pictures and shown on one page."""
