// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Numbers of the host link.
// Generated from spec/host_link.toml by `python -m scripts.defs`; do not edit.

`ifndef LOAS_HOST_DEFS_VH
`define LOAS_HOST_DEFS_VH

`define LOAS_LINK_VERSION            32'd1
`define LOAS_LINK_MAGIC              32'h6b6e694c
`define LOAS_LINK_MOST_BUFFER_WORDS  512
`define LOAS_LINK_SYNC_REQUEST       8'ha5
`define LOAS_LINK_SYNC_ANSWER        8'h5a
`define LOAS_LINK_RESIDUE            32'hdebb20e3
`define LOAS_LINK_CMD_PING           8'd0
`define LOAS_LINK_CMD_IDENTIFY       8'd1
`define LOAS_LINK_CMD_READ           8'd2
`define LOAS_LINK_CMD_WRITE          8'd3
`define LOAS_LINK_CMD_FILL           8'd4
`define LOAS_LINK_CMD_CRC            8'd5
`define LOAS_LINK_CMD_RESET          8'd6
`define LOAS_LINK_OK                 4'd0
`define LOAS_LINK_BAD_COMMAND        4'd1
`define LOAS_LINK_BAD_LENGTH         4'd2
`define LOAS_LINK_BAD_ADDRESS        4'd3
`define LOAS_LINK_BAD_COUNT          4'd4
`define LOAS_LINK_SLVERR             4'd5
`define LOAS_LINK_DECERR             4'd6
`define LOAS_LINK_BUS_TIMEOUT        4'd7
`define LOAS_LINK_ID_MAGIC           10'd0
`define LOAS_LINK_ID_VERSION         10'd1
`define LOAS_LINK_ID_BOARD           10'd2
`define LOAS_LINK_ID_BITSTREAM       10'd3
`define LOAS_LINK_ID_CLOCK_HZ        10'd4
`define LOAS_LINK_ID_BAUD            10'd5
`define LOAS_LINK_ID_MEM_BASE        10'd6
`define LOAS_LINK_ID_MEM_BYTES       10'd7
`define LOAS_LINK_ID_BUFFER_WORDS    10'd8
`define LOAS_LINK_ID_DROPPED         10'd9
`define LOAS_LINK_ID_WORDS           10'd10

`endif
