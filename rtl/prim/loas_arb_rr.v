// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Round-robin arbiter, combinational one-hot grant.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: grant is one-hot when a request is up, zero otherwise, and depends on req and the state only. `advance`
// with a grant moves the turn behind the granted requester; without it the state stays, but a new request that is next
// in turn takes the grant, so who needs a held grant holds it himself. A requester waits at most N - 1 advances.
module loas_arb_rr #(
    parameter integer N = 4   // any from 1
) (
    input  wire         clk,
    input  wire         rst,
    input  wire [N-1:0] req,
    input  wire         advance,
    output wire [N-1:0] grant
);

    generate
        if (N < 1) begin : gen_illegal
            loas_arb_rr_N_must_be_at_least_1 rule_inst ();
        end
    endgenerate

    reg  [N-1:0] after_reg;   // requesters behind the last one granted: they come first
    wire [N-1:0] first = req & after_reg;
    wire [N-1:0] from  = |first ? first : req;

    assign grant = from & -from;

    always @(posedge clk) begin
        // bits above the lowest set bit of x are those of ~(x ^ (x - 1)) = ~x ^ (x - 1)
        if (advance && |req) after_reg <= ~grant ^ (grant - 1'b1);
        if (rst) after_reg <= {N{1'b0}};
    end

endmodule

`resetall
