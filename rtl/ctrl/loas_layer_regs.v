// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The layer at hand: what its descriptor and its walk records say, and what follows from them.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Problem: the words of a layer come one a cycle, and everyone needs them until the next layer.
//
// Contract: `step` is high with each of the sixteen words of a record in order, `index` 0 to 15: of a descriptor, with
// walk of a walk record, with second of that of the branch. Then size_step and fit_step are high for a cycle each, one
// after the other. fit_bad is right in the cycle of fit_step: the slots do not fit the output buffer. shape_bad is
// right two cycles after fit_step: the windows do not make K. It comes so late because a long sum would stand in front
// of everything that an error decides. cfg_* hold until the next record.
// Edges: a fully connected layer has no walk record; it is a convolution of one pixel over maps of one pixel.
module loas_layer_regs #(
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 128,
    parameter integer SLICE_W     = 16,
    parameter integer K_MAX       = 8192,
    parameter integer LINE_W      = 1024,
    parameter integer OUT_ENTRIES = 2048
) (
    input  wire                    clk,

    input  wire                    step,
    input  wire                    walk,
    input  wire                    second,
    input  wire [3:0]              index,
    input  wire [31:0]             word,
    input  wire                    size_step,
    input  wire                    fit_step,

    // for the control and its checks
    output wire                    conv,
    output wire                    carries,      // membranes are read or written
    output wire                    branches,     // the walk record names one of a branch
    output wire [31:0]             row_bytes,    // of the longest output row
    output wire [31:0]             walk_ptr,
    output wire [31:0]             perf_ptr,
    output wire                    fit_bad,
    output wire                    shape_bad,

    output wire [23:0]             cfg_m,
    output wire [16:0]             cfg_n,
    output wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    output wire [511:0]            cfg_walk,      // words of the walk record, and of the branch's
    output wire [511:0]            cfg_branch,
    output wire [31:0]             cfg_state,
    output wire [31:0]             cfg_state_stride,
    output wire [31:0]             cfg_block_table,
    output wire [31:0]             cfg_b_base,
    output wire [31:0]             cfg_b_end,
    output wire [31:0]             cfg_out_base,
    output wire [31:0]             cfg_out_stride,
    output wire [10:0]             cfg_block_cols,
    output wire [7:0]              cfg_tile_rows,
    output wire [16:0]             cfg_entries,
    output wire [7:0]              cfg_slots,
    output wire [8:0]              cfg_leak,
    output wire                    cfg_soft,
    output wire                    cfg_readout,
    output wire                    cfg_drop_once,
    output wire                    cfg_late,
    output wire                    cfg_index,
    output wire                    cfg_carry_in,
    output wire                    cfg_carry_out,
    output wire [4:0]              cfg_steps
);

    localparam integer CHUNK_B  = $clog2(CHUNK_W / 8);
    localparam integer CHUNK_L  = $clog2(CHUNK_W);
    localparam integer SLICE_L  = $clog2(SLICE_W);
    localparam integer WORD_L   = $clog2(T);
    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam [31:0]  ALL_OUT  = OUT_ENTRIES;

    reg [15:0] control_reg;
    reg [23:0] m_reg;
    reg [16:0] k_reg;
    reg [16:0] n_reg;
    reg [31:0] a_base_reg, a_stride_reg, membranes_reg, table_reg, b_base_reg, b_end_reg;
    reg [31:0] out_base_reg, out_stride_reg, perf_reg;
    reg [8:0]  leak_reg;
    reg [4:0]  steps_reg;
    reg [10:0] cols_reg;
    reg [7:0]  tile_reg;
    reg [16:0] entries_reg;
    reg [31:0] row_bytes_reg;     // the longest output row
    reg [31:0] need_reg;          // output buffer entries of all slots
    reg [31:0] walk_ptr_reg;
    reg [511:0] window_reg;       // the walk record, or what a fully connected layer is as a convolution
    reg [511:0] branch_reg;
    reg [15:0] taps_reg, taps2_reg;   // pixels of the kernels
    reg [31:0] bits_reg, bits2_reg;   // slices of a row, from either window

    reg        shape_reg;

    wire readout = control_reg[`LOAS_CTL_READOUT_LSB];

    assign conv      = control_reg[7:0] == 8'd2;
    assign carries   = control_reg[`LOAS_CTL_CARRY_IN_LSB] | control_reg[`LOAS_CTL_CARRY_OUT_LSB];
    assign branches  = window_reg[32*`LOAS_WALK_BRANCH +: 32] != 32'd0;
    assign row_bytes = row_bytes_reg;
    assign walk_ptr  = walk_ptr_reg;
    assign perf_ptr  = perf_reg;
    assign fit_bad   = need_reg > ALL_OUT;
    assign shape_bad = shape_reg;

    wire [31:0] n_words      = {15'd0, n_reg};
    wire [31:0] n_chunks     = (n_words + (CHUNK_W - 1)) >> CHUNK_L;
    wire [31:0] n_word_chunks = ((n_words << WORD_L) + (CHUNK_W - 1)) >> CHUNK_L;
    wire [31:0] n_slices     = (n_words + (SLICE_W - 1)) >> SLICE_L;
    wire [31:0] state_stride = ((n_words << 2) + (LINE_W / 8 - 1)) & ~(LINE_W / 8 - 1);
    wire [31:0] k_slices     = ({15'd0, k_reg} + (SLICE_W - 1)) >> SLICE_L;
    wire [31:0] k_chunks     = ({15'd0, k_reg} + (CHUNK_W - 1)) >> CHUNK_L;
    reg  [CHUNKS_W-1:0] cfg_chunks_reg;   // k_reg is old when a layer starts

    always @(posedge clk) begin
        cfg_chunks_reg <= k_chunks[CHUNKS_W-1:0];
        shape_reg      <= bits_reg + bits2_reg != k_slices;
    end

    // a fully connected layer as a walk record: a window of one pixel in maps of one
    reg [511:0] whole_row;
    always @* begin
        whole_row = 512'd0;
        whole_row[32*`LOAS_WALK_KERNEL +: 32]      = 32'h0101_0101;
        whole_row[32*`LOAS_WALK_OUT_SIZE +: 32]    = 32'h0001_0001;
        whole_row[32*`LOAS_WALK_IN_SIZE +: 32]     = 32'h0001_0001;
        whole_row[32*`LOAS_WALK_PAD +: 32]         = {k_slices[15:0], 16'd0};
        whole_row[32*`LOAS_WALK_IMAGE_BYTES +: 32] = a_stride_reg;
        whole_row[32*`LOAS_WALK_START +: 32]       = a_base_reg;
        whole_row[32*`LOAS_WALK_POOL +: 32]        = 32'h0101;
        whole_row[32*`LOAS_WALK_STATE_STEP +: 32]  = carries ? state_stride : 32'd0;
    end

    always @(posedge clk) begin
        if (step) begin
            if (walk) begin
                if (second) branch_reg <= {word, branch_reg[511:32]};
                else        window_reg <= {word, window_reg[511:32]};
            end else begin
                case (index)
                    `LOAS_DESC_CONTROL:     control_reg <= word[15:0];
                    `LOAS_DESC_ROWS: begin
                        m_reg    <= word[23:0];
                        tile_reg <= word[31:24];
                    end
                    `LOAS_DESC_K:           k_reg <= word[16:0];
                    `LOAS_DESC_N:           n_reg <= word[16:0];
                    `LOAS_DESC_A_BASE:      a_base_reg <= word;
                    `LOAS_DESC_A_STRIDE:    a_stride_reg <= word;
                    `LOAS_DESC_BLOCK_TABLE: table_reg <= word;
                    `LOAS_DESC_B_BASE:      b_base_reg <= word;
                    `LOAS_DESC_B_END:       b_end_reg <= word;
                    `LOAS_DESC_OUT_BASE:    out_base_reg <= word;
                    `LOAS_DESC_OUT_STRIDE:  out_stride_reg <= word;
                    `LOAS_DESC_NEURON: begin
                        leak_reg  <= word[8:0];
                        steps_reg <= word[13:9];
                        cols_reg  <= word[26:16];
                    end
                    `LOAS_DESC_STATE:       membranes_reg <= word;
                    `LOAS_DESC_PERF_PTR:    perf_reg <= word;
                    `LOAS_DESC_WALK: begin
                        // fully connected, unless a walk record follows
                        walk_ptr_reg <= word;
                        window_reg   <= whole_row;
                        branch_reg   <= 512'd0;
                    end
                    default: ;
                endcase
                // n and readout are known from word 4 on, long before they are needed
                row_bytes_reg <= readout ? n_words << 2 : (n_chunks + n_word_chunks + 32'd1) << CHUNK_B;
                entries_reg   <= readout ? n_reg : n_slices[16:0];
            end
        end else if (size_step) begin
            need_reg <= {23'd0, tile_reg, 1'b0} * {15'd0, entries_reg};
            taps_reg  <=
                {8'd0, window_reg[32*`LOAS_WALK_KERNEL +: 8]} * {8'd0, window_reg[32*`LOAS_WALK_KERNEL + 8 +: 8]};
            taps2_reg <=
                {8'd0, branch_reg[32*`LOAS_WALK_KERNEL +: 8]} * {8'd0, branch_reg[32*`LOAS_WALK_KERNEL + 8 +: 8]};
        end else if (fit_step) begin
            bits_reg  <= {16'd0, taps_reg} * {16'd0, window_reg[32*`LOAS_WALK_PAD + 16 +: 16]};
            bits2_reg <= {16'd0, taps2_reg} * {16'd0, branch_reg[32*`LOAS_WALK_PAD + 16 +: 16]};
        end
    end

    assign cfg_m           = m_reg;
    assign cfg_n           = n_reg;
    assign cfg_chunks      = cfg_chunks_reg;
    assign cfg_walk        = window_reg;
    assign cfg_branch      = branch_reg;
    assign cfg_state       = membranes_reg;
    assign cfg_state_stride = state_stride;
    assign cfg_block_table = table_reg;
    assign cfg_b_base      = b_base_reg;
    assign cfg_b_end       = b_end_reg;
    assign cfg_out_base    = out_base_reg;
    assign cfg_out_stride  = out_stride_reg;
    assign cfg_block_cols  = cols_reg;
    assign cfg_tile_rows   = tile_reg;
    assign cfg_entries     = entries_reg;
    assign cfg_slots       = {tile_reg[6:0], 1'b0};
    assign cfg_leak        = leak_reg;
    assign cfg_soft        = control_reg[`LOAS_CTL_SOFT_LSB];
    assign cfg_readout     = readout;
    assign cfg_drop_once   = control_reg[`LOAS_CTL_DROP_ONCE_LSB];
    assign cfg_late        = control_reg[`LOAS_CTL_LATE_LSB];
    assign cfg_index       = control_reg[`LOAS_CTL_INDEX_LSB];
    assign cfg_carry_in    = control_reg[`LOAS_CTL_CARRY_IN_LSB];
    assign cfg_carry_out   = control_reg[`LOAS_CTL_CARRY_OUT_LSB];
    assign cfg_steps       = steps_reg;

    wire unused_ok = &{1'b0, k_chunks, n_slices, control_reg, tile_reg[7]};

endmodule

`resetall
