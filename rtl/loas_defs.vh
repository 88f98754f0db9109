// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Numbers of the register map and of the memory image.
// Generated from spec/registers.toml and spec/image.toml by `python -m scripts.defs`; do not edit.

`ifndef LOAS_DEFS_VH
`define LOAS_DEFS_VH

// registers: byte offsets
`define LOAS_REG_ID                  12'h000
`define LOAS_REG_VERSION             12'h004
`define LOAS_REG_CONFIG0             12'h008
`define LOAS_REG_CONFIG1             12'h00c
`define LOAS_REG_CONFIG2             12'h010
`define LOAS_REG_CONFIG3             12'h014
`define LOAS_REG_CONFIG4             12'h018
`define LOAS_REG_CONFIG5             12'h01c
`define LOAS_REG_CTRL                12'h020
`define LOAS_REG_STATUS              12'h024
`define LOAS_REG_IRQ_ENABLE          12'h028
`define LOAS_REG_IRQ_STATUS          12'h02c
`define LOAS_REG_ERR_CODE            12'h030
`define LOAS_REG_ERR_ADDR            12'h034
`define LOAS_REG_ERR_LAYER           12'h038
`define LOAS_REG_LAYER               12'h03c
`define LOAS_REG_IMAGE_BASE          12'h040
`define LOAS_REG_IMAGE_SIZE          12'h044
`define LOAS_REG_WATCHDOG            12'h048
`define LOAS_REG_PERF                12'h080

// registers: reset values
`define LOAS_RESET_ID                32'h53416f4c
`define LOAS_RESET_VERSION           32'h00000002
`define LOAS_RESET_CTRL              32'h00000000
`define LOAS_RESET_STATUS            32'h00000000
`define LOAS_RESET_IRQ_ENABLE        32'h00000000
`define LOAS_RESET_IRQ_STATUS        32'h00000000
`define LOAS_RESET_ERR_CODE          32'h00000000
`define LOAS_RESET_ERR_ADDR          32'h00000000
`define LOAS_RESET_ERR_LAYER         32'h00000000
`define LOAS_RESET_LAYER             32'h00000000
`define LOAS_RESET_IMAGE_BASE        32'h00000000
`define LOAS_RESET_IMAGE_SIZE        32'h00000000
`define LOAS_RESET_WATCHDOG          32'h00100000

// error codes
`define LOAS_ERR_NONE                4'd0
`define LOAS_ERR_BAD_IMAGE           4'd1
`define LOAS_ERR_BAD_CONFIG          4'd2
`define LOAS_ERR_BAD_DESC            4'd3
`define LOAS_ERR_POINTER             4'd4
`define LOAS_ERR_FIBER_A             4'd5
`define LOAS_ERR_FIBER_B             4'd6
`define LOAS_ERR_BUS_READ            4'd7
`define LOAS_ERR_BUS_WRITE           4'd8
`define LOAS_ERR_WATCHDOG            4'd9

// performance counters
`define LOAS_CNT_CYCLES              0
`define LOAS_CNT_MATCHES             1
`define LOAS_CNT_EMPTY_CHUNKS        2
`define LOAS_CNT_STALL_A             3
`define LOAS_CNT_STALL_B             4
`define LOAS_CNT_STALL_WEIGHT        5
`define LOAS_CNT_STALL_LAGGY         6
`define LOAS_CNT_STALL_OUT           7
`define LOAS_CNT_IDLE                8
`define LOAS_CNT_CORRECTIONS         9
`define LOAS_CNT_CACHE_HITS          10
`define LOAS_CNT_CACHE_MISSES        11
`define LOAS_CNT_FETCHES             12
`define LOAS_CNT_BYTES_READ          13
`define LOAS_CNT_BYTES_WRITTEN       14
`define LOAS_CNT_ROWS                15

// image
`define LOAS_MAGIC                   32'h53416f4c
`define LOAS_VERSION                 32'd2

// header words
`define LOAS_HDR_MAGIC               4'd0
`define LOAS_HDR_VERSION             4'd1
`define LOAS_HDR_SIZE                4'd2
`define LOAS_HDR_CRC                 4'd3
`define LOAS_HDR_CONFIG0             4'd4
`define LOAS_HDR_CONFIG1             4'd5
`define LOAS_HDR_CONFIG2             4'd6
`define LOAS_HDR_CONFIG3             4'd7
`define LOAS_HDR_DESC_OFFSET         4'd8
`define LOAS_HDR_NUM_LAYERS          4'd9
`define LOAS_HDR_INPUT_OFFSET        4'd10
`define LOAS_HDR_INPUT_ROWS          4'd11
`define LOAS_HDR_OUTPUT_OFFSET       4'd12
`define LOAS_HDR_INPUT_CHANNELS      4'd13
`define LOAS_HDR_STEPS               4'd14

// layer descriptor words
`define LOAS_DESC_CONTROL            4'd0
`define LOAS_DESC_ROWS               4'd1
`define LOAS_DESC_K                  4'd2
`define LOAS_DESC_N                  4'd3
`define LOAS_DESC_A_BASE             4'd4
`define LOAS_DESC_A_STRIDE           4'd5
`define LOAS_DESC_BLOCK_TABLE        4'd6
`define LOAS_DESC_B_BASE             4'd7
`define LOAS_DESC_B_END              4'd8
`define LOAS_DESC_OUT_BASE           4'd9
`define LOAS_DESC_OUT_STRIDE         4'd10
`define LOAS_DESC_NEURON             4'd11
`define LOAS_DESC_STATE              4'd12
`define LOAS_DESC_PERF_PTR           4'd13
`define LOAS_DESC_WALK               4'd14
`define LOAS_DESC_CHECKSUM           4'd15

// descriptor control word: fields
`define LOAS_CTL_KIND_LSB            0
`define LOAS_CTL_KIND_W              8
`define LOAS_CTL_READOUT_LSB         8
`define LOAS_CTL_READOUT_W           1
`define LOAS_CTL_SOFT_LSB            9
`define LOAS_CTL_SOFT_W              1
`define LOAS_CTL_DROP_ONCE_LSB       10
`define LOAS_CTL_DROP_ONCE_W         1
`define LOAS_CTL_LATE_LSB            11
`define LOAS_CTL_LATE_W              1
`define LOAS_CTL_CARRY_IN_LSB        12
`define LOAS_CTL_CARRY_IN_W          1
`define LOAS_CTL_CARRY_OUT_LSB       13
`define LOAS_CTL_CARRY_OUT_W         1
`define LOAS_CTL_INDEX_LSB           14
`define LOAS_CTL_INDEX_W             1
`define LOAS_CTL_TAG_LSB             16
`define LOAS_CTL_TAG_W               16

// walk record words
`define LOAS_WALK_KERNEL             4'd0
`define LOAS_WALK_OUT_SIZE           4'd1
`define LOAS_WALK_IN_SIZE            4'd2
`define LOAS_WALK_PAD                4'd3
`define LOAS_WALK_STEP_X             4'd4
`define LOAS_WALK_STEP_Y             4'd5
`define LOAS_WALK_ROW_BYTES          4'd6
`define LOAS_WALK_IMAGE_BYTES        4'd7
`define LOAS_WALK_START              4'd8
`define LOAS_WALK_PITCH              4'd9
`define LOAS_WALK_POOL               4'd10
`define LOAS_WALK_BRANCH             4'd11
`define LOAS_WALK_STATE_STEP         4'd12
`define LOAS_WALK_CHECKSUM           4'd15

// block table words
`define LOAS_BLK_PARAMS              2'd0
`define LOAS_BLK_MASKS               2'd1
`define LOAS_BLK_WEIGHTS             2'd2
`define LOAS_BLK_NNZ                 2'd3

`endif
