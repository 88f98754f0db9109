// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Whether a vector has more than one bit set.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: combinational; yes = no bit of `in` is set, or one. A tree of pairs {some, several}: two halves make
// several = several of one, or some in both. That is a LUT4 a level and half, without the carry chain and the wide
// comparison that it takes to clear the lowest bit and look for others. A level's pairs are two short vectors, which
// compiled simulators are quick at.
module loas_at_most_one #(
    parameter integer W = 128   // any from 1
) (
    input  wire [W-1:0] in,
    output wire         yes
);

    localparam integer LEVELS = $clog2(W);
    localparam integer SPAN   = 1 << LEVELS;

    genvar l;
    generate
        if (W < 1) begin : gen_illegal
            loas_at_most_one_W_must_be_at_least_1 rule_inst ();
        end

        // level l has pairs of 2^l bits; the upper half of the pairs meets the lower
        for (l = 0; l <= LEVELS; l = l + 1) begin : gen_level
            localparam integer NUM = SPAN >> l;
            wire [NUM-1:0] some;
            wire [NUM-1:0] several;
            if (l == 0) begin : gen_leaf
                if (W == SPAN) begin : gen_exact
                    assign some = in;
                end else begin : gen_pad
                    assign some = {{(SPAN - W){1'b0}}, in};
                end
                assign several = {NUM{1'b0}};
            end else begin : gen_pair
                assign some    = gen_level[l-1].some[NUM-1:0] | gen_level[l-1].some[NUM +: NUM];
                assign several = gen_level[l-1].several[NUM-1:0] | gen_level[l-1].several[NUM +: NUM]
                               | (gen_level[l-1].some[NUM-1:0] & gen_level[l-1].some[NUM +: NUM]);
            end
        end
    endgenerate

    assign yes = !gen_level[LEVELS].several[0];

    wire unused_some = gen_level[LEVELS].some[0];

endmodule

`resetall
