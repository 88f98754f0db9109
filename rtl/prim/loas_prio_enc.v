// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Priority encoder: the lowest set bit of a vector, as a number and one-hot.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: combinational; any = some bit is set; index and onehot tell the lowest one. With none set, onehot is zero
// and index has no meaning. The index is found by halving: if the lower half is empty, go on in the upper one, which
// takes about 1.3 LUT4 a bit; onehot is one carry chain. What is not connected costs nothing.
module loas_prio_enc #(
    parameter integer W = 128   // any from 1
) (
    input  wire [W-1:0]                        in,
    output wire                                any,
    output wire [(W > 1 ? $clog2(W) : 1)-1:0]  index,
    output wire [W-1:0]                        onehot
);

    localparam integer LEVELS = W > 1 ? $clog2(W) : 1;
    localparam integer SPAN   = 1 << LEVELS;

    assign any    = |in;
    assign onehot = in & -in;

    genvar l;
    generate
        if (W < 1) begin : gen_illegal
            loas_prio_enc_W_must_be_at_least_1 rule_inst ();
        end

        // level l looks at 2^(l+1) bits, in which the lowest set bit is, and decides bit l of the index
        for (l = LEVELS - 1; l >= 0; l = l - 1) begin : gen_level
            localparam integer HALF = 1 << l;
            wire [2*HALF-1:0] bits;
            wire upper = ~|bits[HALF-1:0];  // it is in the upper half
            if (l == LEVELS - 1) begin : gen_root
                if (W == SPAN) begin : gen_exact
                    assign bits = in;
                end else begin : gen_pad
                    assign bits = {{(SPAN - W){1'b0}}, in};
                end
            end else begin : gen_half
                assign bits = gen_level[l+1].upper
                    ? gen_level[l+1].bits[2*HALF +: 2*HALF] : gen_level[l+1].bits[2*HALF-1:0];
            end
            assign index[l] = upper;
            if (l == 0) begin : gen_leaf
                wire unused_bit = bits[1];  // with bit 0 clear, this one is set or none was
            end
        end
    endgenerate

endmodule

`resetall
