"""Fields and layer types that forks of Caffe added, so that a message can say where an unknown one comes from."""

from __future__ import annotations

_SSD = "SSD (weiliu89/caffe)"
_NV = "NVCaffe"
_RCNN = "Fast and Faster R-CNN"
_RFCN = "R-FCN"
_DEFORMABLE = "Deformable ConvNets"
_SEGNET = "SegNet"
_DEEPLAB = "DeepLab"
_PSPNET = "PSPNet"
_WINDOWS = "caffe-windows (happynear)"
_FACE = "caffe-face (center loss)"
_SPHEREFACE = "SphereFace"
_OPENPOSE = "OpenPose"
_YOLO = "the YOLO forks"
_SHUFFLENET = "ShuffleNet"
_CRFRNN = "CRF-RNN"
_FLOWNET = "FlowNet"
_CRNN = "the CTC and CRNN forks"
_TSN = "Temporal Segment Networks"
_RISTRETTO = "Ristretto"
_INTEL = "Intel Caffe"

FIELDS: dict[str, dict[str, str]] = {
    "NetParameter": {
        "item": f"label map of {_SSD}",
        "default_forward_type": _NV,
        "default_backward_type": _NV,
        "default_forward_math": _NV,
        "default_backward_math": _NV,
        "global_grad_scale": _NV,
        "global_grad_scale_adaptive": _NV,
        "default_conv_algos_override": _NV,
        "default_cudnn_math_override": _NV,
        "reduce_buckets": _NV,
        "engine": _INTEL,
        "mem_param": _TSN,
        "bn_stats_batch_size": _INTEL,
    },
    "LayerParameter": {
        "annotated_data_param": _SSD,
        "detection_evaluate_param": _SSD,
        "detection_output_param": _SSD,
        "multibox_loss_param": _SSD,
        "permute_param": _SSD,
        "prior_box_param": _SSD,
        "video_data_param": f"{_SSD} or {_TSN}",
        "roi_pooling_param": _RCNN,
        "smooth_l1_loss_param": _RCNN,
        "proposal_param": _RCNN,
        "roi_align_param": _RCNN,
        "psroi_pooling_param": _RFCN,
        "box_annotator_ohem_param": _RFCN,
        "deformable_convolution_param": _DEFORMABLE,
        "deformable_psroi_pooling_param": _DEFORMABLE,
        "upsample_param": _SEGNET,
        "bn_param": f"{_SEGNET} or {_PSPNET}",
        "dense_image_data_param": _SEGNET,
        "interp_param": f"{_DEEPLAB} or {_PSPNET}",
        "image_seg_data_param": _DEEPLAB,
        "seg_accuracy_param": _DEEPLAB,
        "mat_read_param": _DEEPLAB,
        "mat_write_param": _DEEPLAB,
        "densecrf_param": _DEEPLAB,
        "dense_crf_param": _DEEPLAB,
        "domain_transform_param": _DEEPLAB,
        "unpooling_param": "the deconvolution network forks",
        "forward_type": _NV,
        "backward_type": _NV,
        "forward_math": _NV,
        "backward_math": _NV,
        "debug": _NV,
        "cudnn_math_override": _NV,
        "detectnet_groundtruth_param": f"{_NV} (DetectNet)",
        "detectnet_augmentation_param": f"{_NV} (DetectNet)",
        "flip_param": _WINDOWS,
        "inner_distance_param": _WINDOWS,
        "general_contrastive_loss_param": _WINDOWS,
        "noise_param": _WINDOWS,
        "normalize_param": _WINDOWS,
        "feature_incay_param": _WINDOWS,
        "label_specific_add_param": _WINDOWS,
        "label_specific_margin_param": _WINDOWS,
        "triplet_loss_param": "the triplet-loss forks",
        "center_loss_param": _FACE,
        "margin_inner_product_param": _SPHEREFACE,
        "cpm_transform_param": _OPENPOSE,
        "imresize_param": _OPENPOSE,
        "nms_param": _OPENPOSE,
        "region_param": _YOLO,
        "region_loss_param": _YOLO,
        "yolov3_param": _YOLO,
        "yolov3_detection_output_param": _YOLO,
        "yolo_detection_output_param": _YOLO,
        "box_data_param": _YOLO,
        "detection_loss_param": _YOLO,
        "eval_detection_param": _YOLO,
        "reorg_param": _YOLO,
        "shuffle_channel_param": _SHUFFLENET,
        "multi_stage_meanfield_param": _CRFRNN,
        "correlation_param": _FLOWNET,
        "flow_warp_param": _FLOWNET,
        "custom_data_param": _FLOWNET,
        "augmentation_param": _FLOWNET,
        "resample_param": _FLOWNET,
        "l1_loss_param": _FLOWNET,
        "ctc_loss_param": _CRNN,
        "ctc_decoder_param": _CRNN,
        "lstm_param": _CRNN,
        "reverse_param": _CRNN,
        "transpose_param": _CRNN,
        "batch_reduction_param": _TSN,
        "quantization_param": _RISTRETTO,
        "relu6_param": "the MobileNet v2 forks",
        "hard_sigmoid_param": "the MobileNet v3 forks",
        "focal_loss_param": "the focal-loss forks",
    },
    "TransformationParameter": {
        "resize_param": _SSD,
        "noise_param": _SSD,
        "distort_param": _SSD,
        "expand_param": _SSD,
        "emit_constraint": _SSD,
        "crop_h": _SSD,
        "crop_w": _SSD,
        "random_seed": _NV,
        "use_gpu_transform": _NV,
        "img_rand_resize_lower": _NV,
        "img_rand_resize_upper": _NV,
        "rand_resize_ratio_lower": _NV,
        "rand_resize_ratio_upper": _NV,
        "allow_upscale": _NV,
        "fix_crop": _TSN,
        "more_fix_crop": _TSN,
        "multi_scale": _TSN,
        "scale_ratios": _TSN,
        "max_distort": _TSN,
        "is_flow": _TSN,
        "random_resize_param": _INTEL,
        "random_aspect_ratio_param": _INTEL,
    },
    "SolverParameter": {
        "eval_type": _SSD,
        "ap_version": _SSD,
        "show_per_class_result": _SSD,
        "plateau_winsize": _SSD,
        "solver_data_type": _NV,
        "store_blobs_in_old_format": _NV,
        "larc": _NV,
        "larc_policy": _NV,
        "larc_eta": _NV,
        "min_lr": _NV,
        "rampup_interval": _NV,
        "rampup_lr": _NV,
        "momentum_policy": _NV,
        "max_momentum": _NV,
        "local_lr_auto": _NV,
        "warmup_iter": _INTEL,
        "warmup_start_lr": _INTEL,
        "richness": _TSN,
    },
    "ConvolutionParameter": {
        "hole": _DEEPLAB,
        "hole_h": _DEEPLAB,
        "hole_w": _DEEPLAB,
        "conv_algos_override": _NV,
        "cudnn_math_override": _NV,
        "cudnn_convolution_algo_seeker": _NV,
    },
    "PoolingParameter": {
        "ceil_mode": "the forks that pool by floor (`ceil_mode: false` is `round_mode: FLOOR` here)",
    },
    "BatchNormParameter": {
        "scale_bias": _NV,
        "scale_filler": _NV,
        "bias_filler": _NV,
        "engine": f"{_NV} or {_INTEL}",
    },
    "LossParameter": {
        "weight_by_label_freqs": _SEGNET,
        "class_weighting": _SEGNET,
    },
    "DropoutParameter": {"sample_weights_test": _SEGNET},
    "DataParameter": {
        "threads": _NV,
        "parser_threads": _NV,
        "cache": _NV,
        "shuffle": f"{_NV} or {_INTEL}",
    },
    "ImageDataParameter": {
        "label_type": _DEEPLAB,
        "label_slice": _DEEPLAB,
        "threads": _NV,
        "cache": _NV,
    },
    "InnerProductParameter": {"normalize": _WINDOWS},
    "SoftmaxParameter": {"normalize_type": _WINDOWS},
    "ReLUParameter": {"fuse": _INTEL},
    "PReLUParameter": {"engine": _INTEL},
}
"""Message -> field -> the fork or forks that have it."""


TYPES: dict[str, tuple[str, ...]] = {
    _SSD: (
        "AnnotatedData",
        "DetectionEvaluate",
        "DetectionOutput",
        "MultiBoxLoss",
        "Permute",
        "PriorBox",
        "VideoData",
    ),
    _RCNN: ("ROIPooling", "SmoothL1Loss", "ROIAlign", "Proposal"),
    _RFCN: ("PSROIPooling", "BoxAnnotatorOHEM", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM"),
    _DEFORMABLE: ("DeformableConvolution", "DeformablePSROIPooling"),
    _SEGNET: ("Upsample", "DenseImageData"),
    f"{_DEEPLAB} or {_PSPNET}": ("Interp",),
    _DEEPLAB: ("ImageSegData", "SegAccuracy", "DenseCRF", "MatRead", "MatWrite", "DomainTransform"),
    _NV: ("DetectNetTransformation",),
    _WINDOWS: ("Flip", "InnerDistance", "GeneralContrastiveLoss", "FeatureIncayLoss", "LabelSpecificAdd"),
    _FACE: ("CenterLoss",),
    _SPHEREFACE: ("MarginInnerProduct",),
    _OPENPOSE: ("CPMData", "CPMBottomUpData", "ImResize", "Nms"),
    _YOLO: ("RegionLoss", "Yolov3", "YoloDetectionOutput", "Yolov3DetectionOutput", "BoxData", "Reorg"),
    _SHUFFLENET: ("ShuffleChannel",),
    "SENet": ("Axpy",),
    "the MobileNet forks": ("DepthwiseConvolution", "ConvolutionDepthwise", "ReLU6"),
    _CRFRNN: ("MultiStageMeanfield",),
    _FLOWNET: ("Correlation", "FlowWarp", "CustomData", "DataAugmentation", "Resample", "L1Loss"),
    _CRNN: ("CTCLoss", "CtcLoss", "WarpCTC", "CTCGreedyDecoder", "Reverse", "Transpose", "Lstm"),
}
"""Fork -> the layer types that it added."""


def fork_of_type(layer_type: str) -> str | None:
    """The fork that has layers of this type, or None."""
    return next((fork for fork, types in TYPES.items() if layer_type in types), None)


def fork_of(message: str, field: str) -> str | None:
    """The fork whose ``message`` has ``field``, or None."""
    if message == "V1LayerParameter":
        message = "LayerParameter"
    return FIELDS.get(message, {}).get(field)
