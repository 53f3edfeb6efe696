/* The settings of section "detector". */
#include "detector/faster_rcnn.h"
#include "detector/style.h"

#define F(member) offsetof(bl_detector_config, member)
static const bl_field fields[] = {
    {"style", BL_T_ENUM, F(style), "\"mmdet\"", 0, 0, bl_style_names, NULL,
     "Reference implementation whose details (matching, normalisers, clamps, RoIAlign) are "
     "followed.",
     NULL},
    /* backbone and neck */
    {"depth", BL_T_ENUM, F(depth), "\"r50\"", 0, 0, bl_resnet_depth_names, NULL,
     "Backbone: a ResNet of 18, 34, 50 or 101 layers, or the small one described by width and "
     "blocks.",
     NULL},
    {"norm", BL_T_ENUM, F(norm), "\"eval_bn\"", 0, 0, bl_norm_type_names, NULL,
     "Normalisation in the backbone; eval_bn and frozen_bn suit pretrained weights, gn and bn "
     "training "
     "from scratch; none is refused.",
     NULL},
    {"head_norm", BL_T_ENUM, F(head_norm), "\"none\"", 0, 0, bl_norm_type_names, NULL,
     "Normalisation in the feature pyramid.", NULL},
    {"gn_groups", BL_T_INT, F(gn_groups), "32", 1, 4096, NULL, "groups",
     "Channel groups of gn; must divide every channel count.", NULL},
    {"frozen_stages", BL_T_INT, F(frozen_stages), "1", -1, 4, NULL, "stages",
     "How far the backbone is not trained: -1 = all is trained, 0 = stem frozen, 1 = and the first "
     "stage, ...",
     NULL},
    {"frozen", BL_T_STRINGS, F(frozen), "[]", 0, 0, NULL, NULL,
     "What is not trained, by the beginnings of names (\"backbone.\", \"neck.\", \"rpn_head.\", "
     "\"roi_head.bbox_head.shared_fcs\", ...): classifier re-training with run.init_from and "
     "run.init_skip.",
     NULL},
    {"stride_in_1x1", BL_T_BOOL, F(stride_in_1x1), "false", 0, 0, NULL, NULL,
     "Bottlenecks stride in their first 1x1 convolution (caffe weights) instead of the 3x3 one.",
     NULL},
    {"width", BL_T_INT, F(width), "16", 1, 1024, NULL, "channels",
     "Channels of the small backbone's first stage; they double each stage.", NULL},
    {"blocks", BL_T_INT, F(blocks), "1", 1, 32, NULL, "blocks",
     "Residual blocks in each stage of the small backbone.", NULL},
    {"fpn_channels", BL_T_INT, F(fpn_channels), "256", 1, 4096, NULL, "channels",
     "Channels of every pyramid level and of the RPN.", NULL},
    {"fc_channels", BL_T_INT, F(fc_channels), "1024", 1, 16384, NULL, "channels",
     "Width of the two fully connected layers of the RoI head.", NULL},
    {"anchor_scale", BL_T_REAL, F(anchor_scale), "8", 0.01, 1000, NULL, "strides",
     "Anchor side at each level, in multiples of the level's stride (4 to 64 px).", NULL},
    {"anchor_ratios", BL_T_REALS, F(anchor_ratios), "[0.5, 1, 2]", 0.001, 1000, NULL,
     "height/width", "Aspect ratios of the anchors of every cell.", NULL},
    /* RPN */
    {"ignore_iof", BL_T_REAL, F(ignore_iof), "-1", -1, 1, NULL, NULL,
     "Anchors and RoIs with at least this share of their area in a crowd or ignore region are no "
     "negatives; -1 = as the style has it (mmdet: such regions are background, as its Faster R-CNN "
     "trains).",
     NULL},
    {"rpn_pos_iou", BL_T_REAL, F(rpn_pos_iou), "0.7", 0, 1, NULL, "IoU",
     "Anchors that overlap an object this much are foreground.", NULL},
    {"rpn_neg_iou", BL_T_REAL, F(rpn_neg_iou), "0.3", 0, 1, NULL, "IoU",
     "Anchors that overlap every object less than this are background.", NULL},
    {"rpn_min_pos_iou", BL_T_REAL, F(rpn_min_pos_iou), "0.3", 0, 1, NULL, "IoU",
     "An object's best anchors become foreground when they overlap it at least this much.", NULL},
    {"rpn_batch", BL_T_INT, F(rpn_batch), "256", 1, 1 << 20, NULL, "anchors/image",
     "Anchors sampled for the RPN losses.", NULL},
    {"rpn_pos_fraction", BL_T_REAL, F(rpn_pos_fraction), "0.5", 0, 1, NULL, NULL,
     "Largest share of foreground among them.", NULL},
    {"rpn_pre_nms_train", BL_T_INT, F(rpn_pre_nms_train), "2000", 1, 1 << 24, NULL, "boxes/level",
     "Best anchors of each level that enter suppression, in training.", NULL},
    {"rpn_pre_nms_test", BL_T_INT, F(rpn_pre_nms_test), "1000", 1, 1 << 24, NULL, "boxes/level",
     "The same in inference.", NULL},
    {"rpn_post_nms_train", BL_T_INT, F(rpn_post_nms_train), "0", 0, 1 << 24, NULL, "boxes/image",
     "Proposals kept, in training; 0 = as the style has it (1000, torchvision 2000).", NULL},
    {"rpn_post_nms_test", BL_T_INT, F(rpn_post_nms_test), "1000", 1, 1 << 24, NULL, "boxes/image",
     "Proposals kept, in inference.", NULL},
    {"rpn_nms", BL_T_REAL, F(rpn_nms), "0.7", 0, 1, NULL, "IoU",
     "Proposals of one level that overlap a better one more than this are suppressed.", NULL},
    /* RoI head */
    {"roi_pos_iou", BL_T_REAL, F(roi_pos_iou), "0.5", 0, 1, NULL, "IoU",
     "Proposals that overlap an object this much are foreground, all others background.", NULL},
    {"roi_batch", BL_T_INT, F(roi_batch), "512", 1, 1 << 20, NULL, "RoIs/image",
     "RoIs sampled for the RoI losses.", NULL},
    {"roi_pos_fraction", BL_T_REAL, F(roi_pos_fraction), "0.25", 0, 1, NULL, NULL,
     "Largest share of foreground among them.", NULL},
    {"roi_size", BL_T_INT, F(roi_size), "7", 1, 64, NULL, "bins",
     "RoIAlign pools each RoI to this many bins a side.", NULL},
    {"roi_sampling", BL_T_INT, F(roi_sampling), "-1", -1, 64, NULL, "points",
     "Sampling points a side in each bin; 0 = as many as the bin has feature cells, -1 = as the "
     "style has it (0, torchvision 2).",
     NULL},
    {"finest_scale", BL_T_REAL, F(finest_scale), "56", 0.001, 1e6, NULL, "px",
     "RoIs up to twice this side are pooled from P2; each doubling goes one level up.", NULL},
    {"box_beta", BL_T_REAL, F(box_beta), "-1", -1, 1000, NULL, NULL,
     "Width of the quadratic part of the smooth L1 box losses; 0 = L1, -1 = as the style has it "
     "(0, torchvision 1/9).",
     NULL},
    /* inference */
    {"score_threshold", BL_T_REAL, F(score_threshold), "0.05", 0, 1, NULL, "probability",
     "Detections must score above this.", NULL},
    {"nms", BL_T_REAL, F(nms), "0.5", 0, 1, NULL, "IoU",
     "Detections that overlap a better one of their class more than this are suppressed.", NULL},
    {"max_detections", BL_T_INT, F(max_detections), "100", 1, 1 << 20, NULL, "boxes/image",
     "Detections kept.", NULL},
    /* input */
    {"mean", BL_T_REALS, F(mean), "[123.675, 116.28, 103.53]", -1000, 1000, NULL, "0..255",
     "Subtracted from the three channels, in the order the network sees them.", NULL},
    {"std", BL_T_REALS, F(std), "[58.395, 57.12, 57.375]", 1e-6, 1e6, NULL, "0..255",
     "The channels are divided by these.", NULL},
    {"bgr", BL_T_BOOL, F(bgr), "false", 0, 0, NULL, NULL,
     "The network sees blue first (caffe weights) instead of red first.", NULL},
    {"pad_multiple", BL_T_INT, F(pad_multiple), "32", 32, 4096, NULL, "px",
     "Image sides are padded to a multiple of this, itself a multiple of 32.", NULL},
    {0}};
#undef F

const bl_schema bl_detector_schema = {"detector",
                                      "Faster R-CNN with a ResNet backbone and a feature pyramid.",
                                      sizeof(bl_detector_config), fields};
