// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Checks the sixteen words of a header, a layer descriptor or a walk record, one a cycle.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Problem: a damaged image must end in an error that names the word, never in a machine that hangs or writes where it
// should not.
//
// Contract: `clear` forgets the record before. Then `step` is high with each of the sixteen words in order: `index` 0
// to 15. A cycle after the last one `bad` tells that a word was illegal, bad_index is the lowest such, and sum_bad that
// the words do not add up to zero, as those of descriptors and walk records must. header, walk and second say which
// kind of record it is: header, or walk record (second: that of the branch), or neither: descriptor. What words are
// checked against are earlier words of the same record or of the layer's descriptor, which loas_layer_regs keeps.
// Edges: words of which the check needs what follows (sizes of buffers and windows) are checked by loas_layer_regs.
module loas_record_check #(
    parameter integer T          = 4,
    parameter integer SLICE_W    = 16,
    parameter integer K_MAX      = 8192,
    parameter integer LINE_W     = 1024,
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS  = 64,
    parameter integer INDEX_RATE = 4,
    parameter integer CARRY      = 1,
    parameter integer POOL_COLS  = 64,  // columns of a block with pooling or carried membranes
    parameter [31:0]  CONFIG0    = 0,   // what the header has to say
    parameter [31:0]  CONFIG1    = 0,
    parameter [31:0]  CONFIG2    = 0,
    parameter [31:0]  CONFIG3    = 0
) (
    input  wire        clk,

    input  wire        clear,
    input  wire        step,
    input  wire        header,
    input  wire        walk,
    input  wire        second,
    input  wire [3:0]  index,
    input  wire [31:0] word,

    // what is known already
    input  wire [31:0] image_size,
    input  wire        conv,         // the layer is a convolution
    input  wire        readout,
    input  wire        carries,      // membranes are read or written
    input  wire [31:0] b_base,
    input  wire [31:0] row_bytes,    // of the longest output row
    input  wire [10:0] block_cols,
    input  wire [31:0] last_word,    // of a walk record: the word before

    output wire        bad,
    output wire [3:0]  bad_index,
    output wire        sum_bad
);

    localparam integer LINE_B     = $clog2(LINE_W / 8);
    localparam integer SLICE_L    = $clog2(SLICE_W);
    localparam [31:0]  K_LIMIT    = K_MAX;
    localparam [31:0]  SLICES_MAX = K_MAX / SLICE_W;
    localparam [31:0]  STEPS_MAX  = T;
    localparam [31:0]  COLS_MAX   = POOL_COLS;
    localparam [31:0]  HALF_OUT   = OUT_ENTRIES / 2;
    localparam [31:0]  HALF_SLOTS = NUM_SLOTS / 2;
    // the membranes of a block begin with a line
    localparam integer STATE_L    = LINE_B > 2 + SLICE_L ? LINE_B - 2 : SLICE_L;

    reg  word_bad;
    wire line_off = |word[LINE_B-1:0];
    wire not_line = word[31] | line_off;
    wire pools    = last_word != 32'h0101;   // while the word after `pool` is checked

    always @* begin
        word_bad = 1'b0;
        if (header) begin
            case (index)
                `LOAS_HDR_MAGIC:       word_bad = word != `LOAS_MAGIC;
                `LOAS_HDR_VERSION:     word_bad = word != `LOAS_VERSION;
                `LOAS_HDR_SIZE:        word_bad = (word == 32'd0) | line_off | (word > image_size);
                `LOAS_HDR_CONFIG0:     word_bad = word != CONFIG0;
                `LOAS_HDR_CONFIG1:     word_bad = word != CONFIG1;
                `LOAS_HDR_CONFIG2:     word_bad = word != CONFIG2;
                `LOAS_HDR_CONFIG3:     word_bad = word != CONFIG3;
                `LOAS_HDR_DESC_OFFSET: word_bad = word[31] | (|word[5:0]);
                `LOAS_HDR_NUM_LAYERS:  word_bad = (word == 32'd0) | (|word[31:16]);
                default:               word_bad = 1'b0;
            endcase
        end else if (walk) begin
            case (index)
                `LOAS_WALK_KERNEL:      word_bad = (word[7:0] == 8'd0) | (word[15:8] == 8'd0) | (word[23:16] == 8'd0)
                                                 | (word[31:24] == 8'd0);
                `LOAS_WALK_OUT_SIZE,
                `LOAS_WALK_IN_SIZE:     word_bad = (word[15:0] == 16'd0) | (word[31:16] == 16'd0);
                `LOAS_WALK_PAD:         word_bad = (word[31:16] == 16'd0) | ({16'd0, word[31:16]} > SLICES_MAX);
                `LOAS_WALK_STEP_X,
                `LOAS_WALK_STEP_Y,
                `LOAS_WALK_ROW_BYTES,
                `LOAS_WALK_IMAGE_BYTES: word_bad = not_line;
                `LOAS_WALK_START:       word_bad = line_off;
                `LOAS_WALK_PITCH:       word_bad = not_line;
                `LOAS_WALK_POOL:        word_bad = (word[7:0] == 8'd0) | (word[15:8] == 8'd0) | (|word[31:16])
                                                 | ((word != 32'h0101)
                                                    & (second | readout | ({21'd0, block_cols} > COLS_MAX)));
                `LOAS_WALK_BRANCH:      word_bad = word[31] | (|word[5:0]) | ((word != 32'd0) & (second | pools));
                `LOAS_WALK_STATE_STEP:  word_bad = not_line | ((word != 32'd0) & second);
                `LOAS_WALK_CHECKSUM:    word_bad = 1'b0;
                default:                word_bad = word != 32'd0;
            endcase
        end else begin
            case (index)
                `LOAS_DESC_CONTROL:     word_bad = ((word[7:0] != 8'd1) & (word[7:0] != 8'd2)) | word[15]
                                                 | (word[31:16] != 16'h10A5)
                                                 | ((INDEX_RATE == 0) & word[`LOAS_CTL_INDEX_LSB])
                                                 | ((CARRY == 0) & (word[`LOAS_CTL_CARRY_IN_LSB]
                                                                    | word[`LOAS_CTL_CARRY_OUT_LSB]));
                `LOAS_DESC_ROWS:        word_bad = (word[23:0] == 24'd0) | (word[31:24] == 8'd0)
                                                 | ({24'd0, word[31:24]} > HALF_SLOTS);
                `LOAS_DESC_K:           word_bad = (word == 32'd0) | (word > K_LIMIT);
                `LOAS_DESC_N:           word_bad = (word == 32'd0) | (word > K_LIMIT) | (readout & (word > HALF_OUT));
                `LOAS_DESC_A_BASE:      word_bad = not_line;
                `LOAS_DESC_A_STRIDE:    word_bad = not_line;
                `LOAS_DESC_BLOCK_TABLE: word_bad = word[31] | (|word[3:0]);
                `LOAS_DESC_B_BASE:      word_bad = not_line;
                `LOAS_DESC_B_END:       word_bad = not_line | (word < b_base);
                `LOAS_DESC_OUT_BASE:    word_bad = not_line;
                `LOAS_DESC_OUT_STRIDE:  word_bad = not_line | (word < row_bytes);
                `LOAS_DESC_NEURON:      word_bad = (|word[15:14]) | (word[8:0] > 9'd256) | (word[31:16] == 16'd0)
                                                 | (word[31:16] > 16'd1024) | (|word[16 +: SLICE_L])
                                                 | (word[13:9] == 5'd0) | ({27'd0, word[13:9]} > STEPS_MAX)
                                                 | (carries & ((|word[16 +: STATE_L])
                                                               | ({16'd0, word[31:16]} > COLS_MAX)));
                `LOAS_DESC_STATE:       word_bad = not_line | (~carries & (word != 32'd0));
                `LOAS_DESC_PERF_PTR:    word_bad = not_line;
                `LOAS_DESC_WALK:        word_bad = conv ? word[31] | (|word[5:0]) : word != 32'd0;
                default:                word_bad = 1'b0;
            endcase
        end
    end


    reg        bad_reg;
    reg [3:0]  bad_index_reg;
    reg [31:0] sum_reg;

    assign bad       = bad_reg;
    assign bad_index = bad_index_reg;
    assign sum_bad   = sum_reg != 32'd0;

    always @(posedge clk) begin
        if (step) begin
            sum_reg <= sum_reg + word;
            if (word_bad & ~bad_reg) begin
                bad_reg       <= 1'b1;
                bad_index_reg <= index;
            end
        end
        if (clear) begin
            bad_reg <= 1'b0;
            sum_reg <= 32'd0;
        end
    end

endmodule

`resetall
