"""The legal range of every numeric field of the schema: data. ``numeric`` judges messages by it.

A range here holds whatever the other fields say; what depends on other fields, on shapes or on data is checked where
those are known. A field that is written is judged, a default is not.
"""

from __future__ import annotations

from dataclasses import replace

from caffelungo.bounds import ANY, COUNT, FREE, LARGEST, NOT_NEGATIVE, POSITIVE, SHARE, WHOLE, Bounds

SHARE_ABOVE_0 = Bounds(0, 1, above=True)
AXES = Bounds(-1, LARGEST)
"""A number of axes; -1 for all that are left."""

_SCALING = {"base": ANY, "scale": ANY, "shift": ANY}
_PICTURES = {"batch_size": COUNT, "rand_skip": WHOLE, "scale": ANY, "crop_size": WHOLE}
_WINDOW = {
    "pad": WHOLE, "pad_h": WHOLE, "pad_w": WHOLE, "kernel_size": COUNT, "kernel_h": COUNT, "kernel_w": COUNT,
    "stride": COUNT, "stride_h": COUNT, "stride_w": COUNT,
}  # fmt: skip
_FOREGROUND = {"fg_threshold": SHARE, "bg_threshold": SHARE, "fg_fraction": SHARE, "context_pad": WHOLE}

NET: dict[str, dict[str, Bounds]] = {
    "caffe.NetParameter": {"input_dim": COUNT},
    "caffe.NetState": {"level": ANY},
    "caffe.NetStateRule": {"min_level": ANY, "max_level": ANY},
    "caffe.BlobShape": {"dim": COUNT},
    "caffe.LayerParameter": {"loss_weight": ANY},
    "caffe.ParamSpec": {"lr_mult": ANY, "decay_mult": ANY},
    "caffe.FillerParameter": {
        "value": ANY, "min": ANY, "max": ANY, "mean": ANY, "std": NOT_NEGATIVE, "sparse": Bounds(-1, LARGEST),
    },
    "caffe.TransformationParameter": {"scale": ANY, "crop_size": WHOLE, "mean_value": ANY},
    "caffe.LossParameter": {"ignore_label": ANY},
    "caffe.AccuracyParameter": {"top_k": COUNT, "axis": ANY, "ignore_label": ANY},
    "caffe.ArgMaxParameter": {"top_k": COUNT, "axis": ANY},
    "caffe.BatchNormParameter": {"moving_average_fraction": SHARE, "eps": NOT_NEGATIVE},
    "caffe.BiasParameter": {"axis": ANY, "num_axes": AXES},
    "caffe.ClipParameter": {"min": FREE, "max": FREE},
    "caffe.ConcatParameter": {"axis": ANY, "concat_dim": WHOLE},
    "caffe.ContrastiveLossParameter": {"margin": ANY},
    "caffe.ConvolutionParameter": {**_WINDOW, "num_output": COUNT, "dilation": COUNT, "group": COUNT, "axis": ANY},
    "caffe.CropParameter": {"axis": ANY, "offset": WHOLE},
    "caffe.DataParameter": {**_PICTURES, "prefetch": WHOLE},
    "caffe.DropoutParameter": {"dropout_ratio": Bounds(0, 1, below=True, usual="0.5")},
    "caffe.DummyDataParameter": {"num": COUNT, "channels": COUNT, "height": COUNT, "width": COUNT},
    "caffe.EltwiseParameter": {"coeff": ANY},
    "caffe.ELUParameter": {"alpha": ANY},
    "caffe.EmbedParameter": {"num_output": COUNT, "input_dim": COUNT},
    "caffe.ExpParameter": _SCALING,
    "caffe.FlattenParameter": {"axis": ANY, "end_axis": ANY},
    "caffe.HDF5DataParameter": {"batch_size": COUNT},
    "caffe.ImageDataParameter": {**_PICTURES, "new_height": WHOLE, "new_width": WHOLE},
    "caffe.InfogainLossParameter": {"axis": ANY},
    "caffe.InnerProductParameter": {"num_output": COUNT, "axis": ANY},
    "caffe.LogParameter": _SCALING,
    "caffe.LRNParameter": {"local_size": COUNT, "alpha": ANY, "beta": ANY, "k": ANY},
    "caffe.MemoryDataParameter": {"batch_size": COUNT, "channels": COUNT, "height": COUNT, "width": COUNT},
    "caffe.MVNParameter": {"eps": NOT_NEGATIVE},
    "caffe.NormalizeParameter": {"eps": NOT_NEGATIVE},
    "caffe.PoolingParameter": _WINDOW,
    "caffe.PowerParameter": {"power": ANY, "scale": ANY, "shift": ANY},
    "caffe.RecurrentParameter": {"num_output": COUNT},
    "caffe.ReductionParameter": {"axis": ANY, "coeff": ANY},
    "caffe.ReLUParameter": {"negative_slope": ANY},
    "caffe.ReshapeParameter": {"axis": ANY, "num_axes": AXES},
    "caffe.ScaleParameter": {"axis": ANY, "num_axes": AXES},
    "caffe.SliceParameter": {"axis": ANY, "slice_point": WHOLE, "slice_dim": WHOLE},
    "caffe.SoftmaxParameter": {"axis": ANY},
    "caffe.SPPParameter": {"pyramid_height": Bounds(1, 31)},
    "caffe.SwishParameter": {"beta": ANY},
    "caffe.ThresholdParameter": {"threshold": ANY},
    "caffe.TileParameter": {"axis": ANY, "tiles": COUNT},
    "caffe.WindowDataParameter": {"scale": ANY, "batch_size": COUNT, "crop_size": WHOLE, **_FOREGROUND},
    "lungo.LayerExtras": {
        "label_smoothing": Bounds(0, 1, below=True, usual="0.1"), "temperature": Bounds(0, above=True, usual="2"),
    },
    "lungo.Augmentation": {
        "min_scale": SHARE_ABOVE_0, "max_scale": SHARE_ABOVE_0, "min_ratio": POSITIVE, "max_ratio": POSITIVE,
    },
    "lungo.TransformExtras": {"resize_height": WHOLE, "resize_width": WHOLE, "label_offset": ANY},
    "lungo.Preprocessing": {
        "resize_height": WHOLE, "resize_width": WHOLE, "resize_shorter": WHOLE, "crop_height": WHOLE,
        "crop_width": WHOLE, "mean_value": ANY, "mean_image": ANY, "mean_image_shape": COUNT, "scale": ANY,
    },
}  # fmt: skip
"""Messages of a net."""

SOLVER: dict[str, dict[str, Bounds]] = {
    "caffe.SolverParameter": {
        "test_iter": replace(
            WHOLE, advice="remove it to test the whole set once; 0 skips this test net"
        ),
        "test_interval": WHOLE, "display": WHOLE, "snapshot": WHOLE, "average_loss": COUNT,
        "iter_size": COUNT, "max_iter": Bounds(1, LARGEST, usual="10000"), "stepsize": ANY, "stepvalue": WHOLE,
        "base_lr": Bounds(
            0, above=True, advice="write `base_lr: 0.001` for fine-tuning, `base_lr: 0.01` from scratch"
        ),
        "gamma": ANY, "power": ANY,
        "momentum": Bounds(0, 1, below=True, usual="0.9"), "momentum2": Bounds(0, 1, below=True, usual="0.999"),
        "weight_decay": Bounds(0, usual="0.0005"), "delta": NOT_NEGATIVE,
        "rms_decay": Bounds(0, 1, below=True, usual="0.98"), "clip_gradients": ANY, "device_id": WHOLE,
        "random_seed": ANY,
    },
    "lungo.SolverExtras": {
        "warmup_iter": WHOLE, "warmup_start": NOT_NEGATIVE, "cosine_floor": SHARE, "early_stop": WHOLE,
        "keep_last": WHOLE, "l2_sp": Bounds(0, usual="0.1"),
        "ema_decay": Bounds(0, 1, below=True, usual="0.99"),
    },
    "lungo.Delta": {"weight": Bounds(0, usual="0.01")},
}  # fmt: skip
"""Messages of a solver file, besides nets."""

RECIPE: dict[str, dict[str, Bounds]] = {
    "lungo.Recipe": {"rate_decay": POSITIVE},
    "lungo.Head": {"classes": WHOLE},
    "lungo.NetExtras": {"threshold": SHARE},
    "lungo.LayerRate": {"lr_mult": ANY},
}  # fmt: skip
"""Messages of a recipe."""

WITHIN: dict[str, Bounds] = {"caffe.ReshapeParameter.shape.dim": Bounds(-1, LARGEST)}
"""Fields of a message that mean something else where it is this field of another message."""

RANGES = NET | SOLVER | RECIPE
"""Message -> field -> range, for all that a person writes."""

OLD = ("caffe.V0LayerParameter", "caffe.V1LayerParameter")
"""Messages of old nets: they are judged as what the upgrade makes of them."""
DATA = ("caffe.BlobProto", "caffe.Datum", "caffe.SolverState", "lungo.StateExtras")
"""Messages that programs write: weights, pictures, states. Who reads such a file judges what it holds."""
