// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Fast prefix sum: the offset of one position of a bitmask, in one go.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: combinational; offset = ones of mask below bit `pos`, total = ones of mask. Only one position is asked at a
// time, so no prefix network is needed: one population count of the masked-off vector. total costs a second one when it
// is connected. pos must be below W.
module loas_prefix_fast #(
    parameter integer W = 128   // any from 1
) (
    input  wire [W-1:0]                        mask,
    input  wire [(W > 1 ? $clog2(W) : 1)-1:0]  pos,
    output wire [$clog2(W+1)-1:0]              offset,
    output wire [$clog2(W+1)-1:0]              total
);

    generate
        if (W < 1) begin : gen_illegal
            loas_prefix_fast_W_must_be_at_least_1 rule_inst ();
        end
    endgenerate

    wire [W-1:0] below = mask & ~({W{1'b1}} << pos);

    loas_popcount #(.W(W)) offset_inst (.in(below), .count(offset));
    loas_popcount #(.W(W)) total_inst  (.in(mask),  .count(total));

endmodule

`resetall
