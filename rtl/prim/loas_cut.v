// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Where DEEP cuts a stream: a register slice, or wires.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: with CUT = 1 that of loas_skid; with CUT = 0 the stream goes through in the same cycle.
module loas_cut #(
    parameter integer W   = 8,
    parameter integer CUT = 0
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
        if (CUT != 0) begin : gen_cut
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
