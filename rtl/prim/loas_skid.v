// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Register slice of a stream: cuts every combinational path in both directions.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: one cycle of latency, a word a cycle; s_ready, m_valid and m_data are registers. Because s_ready tells of
// the past, one word may arrive after m_ready fell: it waits in the skid register, and s_ready falls until it has left.
module loas_skid #(
    parameter integer W = 8
) (
    input  wire         clk,
    input  wire         rst,

    input  wire         s_valid,
    output wire         s_ready,
    input  wire [W-1:0] s_data,

    output wire         m_valid,
    input  wire         m_ready,
    output wire [W-1:0] m_data
);

    generate
        if (W < 1) begin : gen_illegal
            loas_skid_W_must_be_at_least_1 rule_inst ();
        end
    endgenerate

    reg         ready_reg;   // the skid register is empty
    reg         valid_reg;
    reg [W-1:0] data_reg;
    reg [W-1:0] skid_reg;

    assign s_ready = ready_reg;
    assign m_valid = valid_reg;
    assign m_data  = data_reg;

    always @(posedge clk) begin
        if (ready_reg) skid_reg <= s_data;
        if (m_ready || !valid_reg) begin
            valid_reg <= s_valid || !ready_reg;
            data_reg  <= ready_reg ? s_data : skid_reg;
            ready_reg <= 1'b1;
        end else if (s_valid) begin
            ready_reg <= 1'b0;
        end
        if (rst) begin
            valid_reg <= 1'b0;
            ready_reg <= 1'b1;
        end
    end

endmodule

`resetall
