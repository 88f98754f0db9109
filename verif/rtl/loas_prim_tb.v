// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// All combinational primitives, the arbiter and the laggy prefix sum under one top: one build instead of six.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module loas_prim_tb #(
    parameter integer W       = 128,
    parameter integer SLICE_W = 16,
    parameter integer WORD_W  = 4,
    parameter integer BASE_W  = 14,
    parameter integer N       = 5
) (
    input  wire                                 clk,
    input  wire                                 rst,

    input  wire [W-1:0]                         mask,
    input  wire [(W > 1 ? $clog2(W) : 1)-1:0]   pos,
    output wire [$clog2(W+1)-1:0]               count,
    output wire                                 any,
    output wire [(W > 1 ? $clog2(W) : 1)-1:0]   index,
    output wire [W-1:0]                         onehot,
    output wire [$clog2(W+1)-1:0]               offset,
    output wire [$clog2(W+1)-1:0]               total,

    input  wire [SLICE_W*WORD_W-1:0]            words,
    input  wire [SLICE_W-1:0]                   keep,
    output wire [SLICE_W*WORD_W-1:0]            packed_words,
    output wire [$clog2(SLICE_W+1)-1:0]         kept,

    input  wire                                 start,
    input  wire [BASE_W-1:0]                    base,
    output wire                                 busy,
    output wire                                 done,
    output wire [(W/SLICE_W)*BASE_W-1:0]        slice_base,
    output wire [BASE_W-1:0]                    laggy_total,

    input  wire [N-1:0]                         req,
    input  wire                                 advance,
    output wire [N-1:0]                         grant
);

    loas_popcount #(.W(W)) popcount_inst (.in(mask), .count(count));

    loas_prio_enc #(.W(W)) prio_enc_inst (.in(mask), .any(any), .index(index), .onehot(onehot));

    loas_prefix_fast #(.W(W)) prefix_fast_inst (.mask(mask), .pos(pos), .offset(offset), .total(total));

    loas_compact_slice #(.SLICE_W(SLICE_W), .WORD_W(WORD_W)) compact_slice_inst (
        .words(words), .keep(keep), .packed_words(packed_words), .count(kept)
    );

    loas_prefix_laggy #(.W(W), .SLICE_W(SLICE_W), .BASE_W(BASE_W)) prefix_laggy_inst (
        .clk(clk), .rst(rst), .start(start), .mask(mask), .base(base), .busy(busy),
        .done(done), .slice_base(slice_base), .total(laggy_total)
    );

    loas_arb_rr #(.N(N)) arb_rr_inst (.clk(clk), .rst(rst), .req(req), .advance(advance), .grant(grant));

endmodule

`resetall
