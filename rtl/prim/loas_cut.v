// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Where a stream may be cut: wires, a skid buffer, or a register.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: where DEEP cuts a path is a question of the machine, not of those at its ends.
//
// Contract: an item a cycle with each. CUT = 0, wires: the stream goes through in the same cycle. CUT = 1, a skid
// buffer: valid, ready and data all come from registers; two items fit. CUT = 2, a register: valid and data come from a
// register, and s_ready follows m_ready in the same cycle; one item fits.
module loas_cut #(
    parameter integer W   = 8,
    parameter integer CUT = 0      // 1: 2 * W flip-flops, 2: W
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
        if (CUT < 0 || CUT > 2 || W < 1) begin : gen_illegal
            loas_cut_CUT_must_be_0_to_2_and_W_at_least_1 rule_inst ();
        end else if (CUT == 2) begin : gen_register
            reg         valid_reg;
            reg [W-1:0] data_reg;
            assign s_ready = !valid_reg || m_ready;
            assign m_valid = valid_reg;
            assign m_data  = data_reg;
            always @(posedge clk) begin
                if (s_ready) begin
                    valid_reg <= s_valid;
                    data_reg  <= s_data;
                end
                if (rst) valid_reg <= 1'b0;
            end
        end else if (CUT == 1) begin : gen_skid
            loas_skid #(.W(W)) skid_inst (
                .clk(clk), .rst(rst), .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data),
                .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data)
            );
        end else begin : gen_wires
            assign s_ready = m_ready;
            assign m_valid = s_valid;
            assign m_data  = s_data;
            wire unused_ok = &{1'b0, clk, rst};
        end
    endgenerate

endmodule

`resetall
