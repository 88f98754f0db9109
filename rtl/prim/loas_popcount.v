// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Number of ones in a vector, as a tree of carry-save full adders.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: combinational; count = ones of `in`, any W from 1.
// The trick: adding two numbers leaves the carry input free, so each level of the tree also takes in fresh bits of the
// vector there, and 2^n - 1 bits need 2^n - 1 - n full adders (120 for 127 bits, about 240 LUT4), the fewest there are.
// A level's numbers are held as bit planes (plane p = bit p of each number), so that one level is a handful of
// operations on short vectors: fast in a compiled simulation too. With W = 2^n the last bit is added behind the tree.
module loas_popcount #(
    parameter integer W = 128
) (
    input  wire [W-1:0]               in,
    output wire [$clog2(W+1)-1:0]     count
);

    localparam integer LEVELS = W > 1 ? $clog2(W) : 1;  // numbers have LEVELS bits at the root
    localparam integer SPAN   = 1 << LEVELS;

    genvar l, p;
    generate
        if (W < 1) begin : gen_illegal
            loas_popcount_W_must_be_at_least_1 rule_inst ();
        end

        // the SPAN - 1 bits that the tree takes
        wire [SPAN-2:0] bits;
        if (W >= SPAN - 1) begin : gen_full
            assign bits = in[SPAN-2:0];
        end else begin : gen_pad
            assign bits = {{(SPAN - 1 - W){1'b0}}, in};
        end

        // level l holds NUM numbers of l + 1 bits; level 0 is the lower half of the bits
        for (l = 0; l < LEVELS; l = l + 1) begin : gen_level
            localparam integer NUM = SPAN >> (l + 1);
            wire [(l+1)*NUM-1:0] planes;
            if (l == 0) begin : gen_leaf
                assign planes = bits[NUM-1:0];
            end else begin : gen_add
                for (p = 0; p <= l; p = p + 1) begin : gen_plane
                    wire [NUM-1:0] c;  // carry into this plane
                    if (p == 0) begin : gen_first
                        assign c = bits[SPAN - 2 * NUM +: NUM];
                    end else begin : gen_carry
                        assign c = (gen_plane[p-1].gen_sum.a & gen_plane[p-1].gen_sum.b)
                                 | (gen_plane[p-1].c & (gen_plane[p-1].gen_sum.a | gen_plane[p-1].gen_sum.b));
                    end
                    if (p < l) begin : gen_sum
                        wire [NUM-1:0] a = gen_level[l-1].planes[2 * p * NUM +: NUM];
                        wire [NUM-1:0] b = gen_level[l-1].planes[(2 * p + 1) * NUM +: NUM];
                        assign planes[p * NUM +: NUM] = a ^ b ^ c;
                    end else begin : gen_top
                        assign planes[p * NUM +: NUM] = c;
                    end
                end
            end
        end

        if (W == SPAN) begin : gen_last_bit
            assign count = {1'b0, gen_level[LEVELS-1].planes} + {{LEVELS{1'b0}}, in[W-1]};
        end else begin : gen_exact
            assign count = gen_level[LEVELS-1].planes;
        end
    endgenerate

endmodule

`resetall
