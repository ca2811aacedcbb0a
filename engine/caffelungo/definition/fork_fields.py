"""The fields that forks of Caffe added to its messages, as their schemas list them."""

from __future__ import annotations

from caffelungo.definition import fork_names as names

_ADDED: dict[str, dict[str, str]] = {
    "NetParameter": {
        f"label map of {names.SSD}": "item",
        names.NV: (
            "default_forward_type default_backward_type default_forward_math default_backward_math "
            "global_grad_scale global_grad_scale_adaptive default_conv_algos_override default_cudnn_math_override "
            "reduce_buckets eltwise_mem_sharing"
        ),
        names.INTEL: "engine bn_stats_batch_size compile_net_state multinode",
        names.TSN: "mem_param",
    },
    "LayerParameter": {
        names.SSD: (
            "annotated_data_param detection_evaluate_param detection_output_param multibox_loss_param "
            "permute_param prior_box_param"
        ),
        f"{names.SSD} or {names.TSN}": "video_data_param",
        names.RCNN: "roi_pooling_param smooth_l1_loss_param roi_align_param",
        f"{names.RCNN} or {names.WINDOWS}": "proposal_param",
        names.RFCN: "psroi_pooling_param box_annotator_ohem_param",
        names.DEFORMABLE: "deformable_convolution_param deformable_psroi_pooling_param",
        names.SEGNET: "upsample_param dense_image_data_param",
        f"{names.SEGNET}, {names.PSPNET}, {names.PARSENET} or {names.WINDOWS}": "bn_param",
        f"{names.DEEPLAB} or {names.PSPNET}": (
            "interp_param seg_accuracy_param mat_read_param mat_write_param dense_crf_param domain_transform_param"
        ),
        names.DEEPLAB: "image_seg_data_param densecrf_param",
        f"{names.PARSENET} or the deconvolution network forks": "unpooling_param",
        names.NV: "forward_type backward_type forward_math backward_math debug cudnn_math_override trt_param",
        f"{names.NV} (DetectNet)": "detectnet_groundtruth_param detectnet_augmentation_param",
        names.WINDOWS: (
            "flip_param inner_distance_param general_contrastive_loss_param noise_param normalize_param "
            "feature_incay_param label_specific_add_param label_specific_margin_param local_param insanity_param "
            "eltwise_affine_param sub_region_param hotspot_param predict_box_param fcn_data_param "
            "soft_contrastive_loss_param general_triplet_loss_param soft_truncation_param pairwise_param "
            "smoothl1_param batch_contrastive_loss_param truncation_param nca_param "
            "largemargin_inner_product_param label_specific_rescale_param infimum_loss_param "
            "ordinal_regression_loss_param resize_param feature_decay_loss_param confidence_penalty_loss_param "
            "channel_scale_param label_specific_affine_param label_specific_hard_margin_param mil_data_param "
            "mil_param"
        ),
        f"{names.WINDOWS} or the triplet-loss forks": "triplet_loss_param",
        names.FACE: "center_loss_param",
        names.SPHEREFACE: "margin_inner_product_param",
        names.OPENPOSE: "cpm_transform_param imresize_param nms_param",
        names.YOLO: (
            "region_param yolov3_param yolov3_detection_output_param yolo_detection_output_param detection_loss_param"
        ),
        f"{names.YOLO} or {names.INTEL}": "region_loss_param box_data_param eval_detection_param reorg_param",
        f"{names.SHUFFLENET} or {names.JOLIBRAIN}": "shuffle_channel_param",
        names.CRFRNN: "multi_stage_meanfield_param",
        names.FLOWNET: (
            "correlation_param flow_warp_param custom_data_param augmentation_param resample_param l1_loss_param"
        ),
        names.CRNN: "ctc_loss_param ctc_decoder_param lstm_param transpose_param",
        f"{names.CRNN} or {names.JOLIBRAIN}": "reverse_param",
        names.TSN: "batch_reduction_param",
        f"{names.RISTRETTO} or {names.INTEL}": "quantization_param",
        "the MobileNet v2 forks": "relu6_param",
        "the MobileNet v3 forks": "hard_sigmoid_param",
        f"{names.JOLIBRAIN}, {names.WINDOWS} or the focal-loss forks": "focal_loss_param",
        names.PARSENET: "parse_evaluate_param",
        names.PSPNET: "adaptive_bias_channel_param bias_channel_param unique_label_param",
        names.INTEL: "engine multinode mn_activation_param spatial_dropout_param mn_grad_compress_param split_param",
        names.JOLIBRAIN: "selu_param selu_dropout_param dice_coef_loss_param",
        f"{names.JOLIBRAIN} or {names.CRNN}": "continuation_indicator_param labelsequence_accuracy_param",
    },
    "TransformationParameter": {
        names.SSD: "resize_param noise_param distort_param expand_param emit_constraint crop_h crop_w",
        names.NV: (
            "random_seed use_gpu_transform img_rand_resize_lower img_rand_resize_upper rand_resize_ratio_lower "
            "rand_resize_ratio_upper allow_upscale vertical_stretch_lower vertical_stretch_upper "
            "horizontal_stretch_lower horizontal_stretch_upper interpolation_algo_down interpolation_algo_up "
            "forward_packing display num_labels"
        ),
        names.TSN: "fix_crop more_fix_crop multi_scale scale_ratios max_distort is_flow",
        names.INTEL: "random_resize_param random_aspect_ratio_param flow bgr2rgb pad",
        names.PSPNET: "scale_factors crop_width crop_height",
        names.PARSENET: "vertical_mirror random_90_deg_rot",
        names.WINDOWS: "center_crop erase_ratio scale_min scale_max aspect_min aspect_max",
        names.JOLIBRAIN: "rotate geometry_param untransformed_top",
    },
    "SolverParameter": {
        names.SSD: "eval_type ap_version show_per_class_result plateau_winsize",
        names.NV: (
            "solver_data_type store_blobs_in_old_format larc larc_policy larc_eta rampup_interval rampup_lr "
            "momentum_policy max_momentum momentum_power weight_decay_policy weight_decay_power "
            "test_and_snapshot_last_epochs larc_turbo max_weight_decay"
        ),
        f"{names.NV} or {names.JOLIBRAIN}": "min_lr",
        names.INTEL: "local_lr_auto disabled_update engine local_gw_ratio test_offset stagelr stageiter",
        f"{names.INTEL} or {names.JOLIBRAIN}": "warmup_iter warmup_start_lr",
        names.TSN: "richness",
        names.PARSENET: "test_before_snapshot log_avg_gradient_norm",
        names.WINDOWS: "clamp_weights_lower clamp_weights_upper clip_weights",
        names.JOLIBRAIN: (
            "amsgrad rectified adabelief lr_mult p_mult period lookahead lookahead_steps lookahead_alpha gc "
            "decoupled_wd_t0 decoupled_wd_mult lr_dropout"
        ),
    },
    "ConvolutionParameter": {
        names.DEEPLAB: "hole hole_h hole_w",
        names.NV: "conv_algos_override cudnn_math_override",
        f"{names.NV} or {names.WINDOWS}": "cudnn_convolution_algo_seeker",
        names.PARSENET: "filter_stride filter_stride_h filter_stride_w",
        names.JOLIBRAIN: "cudnn_flavor",
        names.INTEL: "relu negative_slope conv_algorithm coeff fusion_type",
        names.WINDOWS: "shape_offset",
    },
    "PoolingParameter": {
        "the forks that pool by floor": "ceil_mode",
        names.INTEL: "avg_include_pad axis pad_3d kernel_size_3d stride_3d",
        names.PARSENET: "bin_size bin_h bin_w",
        names.WINDOWS: "blobs_lr blobs_a_min",
        names.NV: "torch_pooling",
    },
    "BatchNormParameter": {
        names.NV: "scale_bias",
        f"{names.NV} or {names.WINDOWS}": "scale_filler",
        f"{names.NV} or {names.INTEL} or {names.WINDOWS}": "bias_filler engine",
        names.WINDOWS: "disable_mean disable_variance",
        names.PSPNET: "update_global_stats",
        names.INTEL: "use_weight_bias bias_term filler stats_batch_size relu",
    },
    "LossParameter": {
        names.SEGNET: "weight_by_label_freqs class_weighting",
        f"{names.NV} or {names.INTEL}": "label_smoothing",
        f"{names.INTEL} or {names.RFCN}": "pre_fixed_normalizer",
    },
    "DropoutParameter": {
        names.SEGNET: "sample_weights_test",
        names.NV: "engine random_seed",
        f"{names.JOLIBRAIN}, {names.RCNN} or {names.RFCN}": "scale_train",
        names.WINDOWS: "sqrt_scale",
    },
    "DataParameter": {
        names.NV: "threads parser_threads cache precache",
        f"{names.NV} or {names.INTEL}": "shuffle",
        names.PARSENET: "shuffle_buffer_size",
        names.INTEL: "side",
    },
    "ImageDataParameter": {
        f"{names.DEEPLAB} or {names.PSPNET}": "label_type",
        names.DEEPLAB: "label_slice",
        names.NV: "threads cache short_side precache dataset_share_per_node",
        names.WINDOWS: (
            "face_transform max_shear_ratio max_aspect_ratio max_rotate_angle min_random_scale max_random_scale "
            "max_random_shift face_mirror face_point_num balance_class balance_by label_cut_start label_cut_end"
        ),
        names.SEGNET: "label_divide_factor",
        names.JOLIBRAIN: "label_size",
        names.INTEL: "min_height min_width",
        f"{names.JOLIBRAIN} or {names.PSPNET}": "ignore_label",
    },
    "InnerProductParameter": {
        names.WINDOWS: "normalize",
        names.INTEL: "engine relu negative_slope",
    },
    "SoftmaxParameter": {
        names.WINDOWS: "normalize_type hard_ratio class_weight hard_mining_label cutting_point label_smooth_factor",
        names.JOLIBRAIN: "scaling_temperature",
    },
    "ReLUParameter": {
        names.INTEL: "fuse",
    },
    "PReLUParameter": {
        names.INTEL: "engine",
    },
    "AccuracyParameter": {
        names.WINDOWS: "min_is_better",
    },
    "BlobProto": {
        names.NV: "raw_data_type raw_diff_type raw_data raw_diff",
    },
    "ConcatParameter": {
        names.INTEL: "engine per_fla_fuse",
    },
    "Datum": {
        names.NV: "record_id",
    },
    "ELUParameter": {
        names.NV: "lambda",
    },
    "EltwiseParameter": {
        names.INTEL: "engine",
    },
    "FillerParameter": {
        names.WINDOWS: "alpha",
        names.INTEL: "scale",
    },
    "HDF5DataParameter": {
        names.JOLIBRAIN: "image",
    },
    "MemoryDataParameter": {
        names.WINDOWS: "transpose",
    },
    "NormalizeParameter": {
        names.WINDOWS: "normalize_type fix_gradient bp_norm",
        names.PARSENET: "fix_scale",
    },
    "ParameterParameter": {
        names.WINDOWS: "blob_filler",
    },
    "ReshapeParameter": {
        names.INTEL: "pixelshuffler",
    },
    "ScaleParameter": {
        names.WINDOWS: "min_value max_value",
    },
    "SolverState": {
        f"{names.SSD}, {names.JOLIBRAIN}, {names.NV} or {names.INTEL}": "minimum_loss iter_last_event",
    },
    "V1LayerParameter": {
        names.WINDOWS: "prelu_param",
    },
}
"""Message -> the fork or forks -> their fields in it."""

FIELDS: dict[str, dict[str, str]] = {
    message: {field: fork for fork, fields in forks.items() for field in fields.split()}
    for message, forks in _ADDED.items()
}
"""Message -> field -> the fork or forks that have it."""

_COSTLESS = {
    "NetParameter": (
        "default_forward_type default_backward_type default_forward_math default_backward_math global_grad_scale "
        "global_grad_scale_adaptive default_conv_algos_override default_cudnn_math_override reduce_buckets "
        "eltwise_mem_sharing engine multinode bn_stats_batch_size"
    ),
    "LayerParameter": (
        "forward_type backward_type forward_math backward_math debug cudnn_math_override engine multinode"
    ),
    "ConvolutionParameter": (
        "conv_algos_override cudnn_math_override cudnn_convolution_algo_seeker cudnn_flavor conv_algorithm"
    ),
    "ConcatParameter": "engine",
    "DropoutParameter": "engine random_seed",
    "EltwiseParameter": "engine",
    "InnerProductParameter": "engine",
    "PReLUParameter": "engine",
}
COSTLESS = frozenset((message, field) for message, fields in _COSTLESS.items() for field in fields.split())
"""Fields of forks that say how a net is computed (in which precision, by which library) and trained, not what comes
out of a trained one."""
