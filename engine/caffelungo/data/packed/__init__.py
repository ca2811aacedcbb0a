"""Files that hold many pictures with their labels: IDX, CIFAR's binary files, .npz, HDF5, LMDB, torchvision's sets."""
