// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Hands one item of a stream to N takers, each of which takes it when it can.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: several units need the same item, and none of them is to wait for another.
//
// Contract: m_valid[i] is high from the cycle in which the item is offered to the one in which taker i takes it.
// s_ready is high in the cycle in which the last of them takes it, so the item stays at the input until then. done[i]:
// taker i has it already. Costs no cycle: an item that all take at once passes in one. s_ready follows m_ready in the
// same cycle, and m_valid follows s_valid.
// Edges: m_ready[i] must not count while taker i waits for something else: gate it as its valid is gated.
module loas_fork #(
    parameter integer N = 2
) (
    input  wire         clk,
    input  wire         rst,

    input  wire         s_valid,
    output wire         s_ready,

    output wire [N-1:0] m_valid,
    input  wire [N-1:0] m_ready,
    output wire [N-1:0] done
);

    generate
        if (N < 1) begin : gen_illegal
            loas_fork_N_must_be_at_least_1 rule_inst ();
        end
    endgenerate

    reg [N-1:0] done_reg;

    wire [N-1:0] taken = done_reg | m_ready;

    assign s_ready = &taken;
    assign m_valid = {N{s_valid}} & ~done_reg;
    assign done    = done_reg;

    always @(posedge clk) begin
        if (s_valid) done_reg <= s_ready ? {N{1'b0}} : taken;
        if (rst) done_reg <= {N{1'b0}};
    end

endmodule

`resetall
