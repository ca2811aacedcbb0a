"""Fields and layer types that forks of Caffe added, so that a message can say where an unknown one comes from."""

from __future__ import annotations

from caffelungo.definition import fork_names as names
from caffelungo.definition.fork_fields import COSTLESS, FIELDS

__all__ = ["FIELDS", "TYPES", "costs_nothing", "fork_of", "fork_of_type"]

TYPES: dict[str, tuple[str, ...]] = {
    names.SSD: (
        "AnnotatedData",
        "DetectionEvaluate",
        "DetectionOutput",
        "MultiBoxLoss",
        "Permute",
        "PriorBox",
        "VideoData",
    ),
    names.RCNN: ("ROIPooling", "SmoothL1Loss", "ROIAlign", "Proposal"),
    names.RFCN: ("PSROIPooling", "BoxAnnotatorOHEM", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM"),
    names.DEFORMABLE: ("DeformableConvolution", "DeformablePSROIPooling"),
    names.SEGNET: ("Upsample", "DenseImageData"),
    f"{names.DEEPLAB} or {names.PSPNET}": ("Interp",),
    names.DEEPLAB: ("ImageSegData", "SegAccuracy", "DenseCRF", "MatRead", "MatWrite", "DomainTransform"),
    names.PSPNET: ("AdaptiveBiasChannel", "BiasChannel", "DomainTransformForwardOnly", "SpatialProduct", "UniqueLabel"),
    names.PARSENET: ("Grouping", "ParseEvaluate", "ParseOutput", "UnPooling"),
    names.NV: ("DetectNetTransformation", "TRT"),
    names.INTEL: ("EvalDetection", "MKLBatchNorm", "MnActivation", "SpatialDropout"),
    names.JOLIBRAIN: (
        "BroadcastMul",
        "ContinuationIndicator",
        "CrossEntropyLoss",
        "DiceCoefLoss",
        "FocalLoss",
        "LabelsequenceAccuracy",
        "MemorySparseData",
        "MultiBoxFocalLoss",
        "MultiLabelAccuracy",
        "MultiLabelSigmoidLoss",
        "SeLu",
        "SeLuDropout",
        "SoftmaxWithInfogainLoss",
        "SparseData",
        "SparseInnerProduct",
    ),
    names.HED: ("ImageLabelmapData",),
    names.WINDOWS: (
        "ChannelScale",
        "FeatureIncayLoss",
        "Flip",
        "GeneralContrastiveLoss",
        "InnerDistance",
        "LabelSpecificAdd",
    ),
    names.FACE: ("CenterLoss",),
    names.SPHEREFACE: ("MarginInnerProduct",),
    names.OPENPOSE: ("CPMData", "CPMBottomUpData", "ImResize", "Nms"),
    names.YOLO: ("RegionLoss", "Yolov3", "YoloDetectionOutput", "Yolov3DetectionOutput", "BoxData", "Reorg"),
    names.SHUFFLENET: ("ShuffleChannel",),
    "SENet": ("Axpy",),
    "the MobileNet forks": ("DepthwiseConvolution", "ConvolutionDepthwise", "ReLU6"),
    names.CRFRNN: ("MultiStageMeanfield",),
    names.FLOWNET: ("Correlation", "FlowWarp", "CustomData", "DataAugmentation", "Resample", "L1Loss"),
    names.CRNN: ("CTCLoss", "CtcLoss", "WarpCTC", "CTCGreedyDecoder", "Reverse", "Transpose", "Lstm"),
}
"""Fork -> the layer types that it added."""


def fork_of_type(layer_type: str) -> str | None:
    """The fork that has layers of this type, or None."""
    return next((fork for fork, types in TYPES.items() if layer_type in types), None)


def fork_of(message: str, field: str) -> str | None:
    """The fork whose ``message`` has ``field``, or None."""
    return next((FIELDS[one][field] for one in _alike(message) if field in FIELDS.get(one, {})), None)


def costs_nothing(message: str, field: str) -> bool:
    """Whether no answer of a trained net depends on this field of a fork, save by rounding."""
    return any((one, field) in COSTLESS for one in _alike(message))


def _alike(message: str) -> tuple[str, ...]:
    """The messages that forks extended alike: a layer of the old format takes the new one's fields."""
    return (message, "LayerParameter") if message == "V1LayerParameter" else (message,)
