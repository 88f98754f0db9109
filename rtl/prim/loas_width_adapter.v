// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Stream width adapter, up or down, with packets and byte strobes.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: the low part of a word comes first. Down: a word leaves as S_W / M_W parts, s_last on the last of them. Up:
// M_W / S_W words are gathered; s_last sends an unfinished word at once, zero padded, m_strb marking the bytes that
// came. Packets follow each other without a gap, at the full rate of the narrower side, one cycle later; with equal
// widths the stream passes straight through. s_ready follows m_ready combinationally, m_valid does not.
module loas_width_adapter #(
    parameter integer S_W = 32,   // powers of two from 8
    parameter integer M_W = 128
) (
    input  wire               clk,
    input  wire               rst,

    input  wire               s_valid,
    output wire               s_ready,
    input  wire [S_W-1:0]     s_data,
    input  wire               s_last,

    output wire               m_valid,
    input  wire               m_ready,
    output wire [M_W-1:0]     m_data,
    output wire [M_W/8-1:0]   m_strb,
    output wire               m_last
);

    generate
        if (S_W < 8 || M_W < 8 || S_W != (1 << $clog2(S_W)) || M_W != (1 << $clog2(M_W))) begin : gen_illegal
            loas_width_adapter_S_W_and_M_W_must_be_powers_of_two_from_8 rule_inst ();
        end

        if (S_W == M_W) begin : gen_same
            wire [1:0] unused_clk_rst = {clk, rst};
            assign s_ready = m_ready;
            assign m_valid = s_valid;
            assign m_data  = s_data;
            assign m_strb  = {(M_W/8){1'b1}};
            assign m_last  = s_last;
        end else if (S_W > M_W) begin : gen_down
            localparam integer PARTS  = S_W / M_W;
            localparam integer LEFT_W = $clog2(PARTS);

            reg              valid_reg;
            reg              last_reg;
            reg [S_W-1:0]    data_reg;
            reg [LEFT_W-1:0] left_reg;   // parts behind the one at the output

            wire final_part = left_reg == {LEFT_W{1'b0}};

            assign s_ready = !valid_reg || (m_ready && final_part);
            assign m_valid = valid_reg;
            assign m_data  = data_reg[M_W-1:0];
            assign m_strb  = {(M_W/8){1'b1}};
            assign m_last  = last_reg && final_part;

            always @(posedge clk) begin
                if (s_ready) begin
                    valid_reg <= s_valid;
                    data_reg  <= s_data;
                    last_reg  <= s_last;
                    left_reg  <= {LEFT_W{1'b1}};
                end else if (m_ready) begin
                    data_reg  <= data_reg >> M_W;
                    left_reg  <= left_reg - 1'b1;
                end
                if (rst) valid_reg <= 1'b0;
            end
        end else begin : gen_up
            localparam integer PARTS = M_W / S_W;
            localparam integer PTR_W = $clog2(PARTS);

            reg               valid_reg;
            reg               last_reg;
            reg [M_W-1:0]     data_reg;
            reg [PARTS-1:0]   have_reg;   // parts in data_reg
            reg [PTR_W-1:0]   ptr_reg;    // where the next part goes

            wire take  = s_valid && s_ready;
            wire first = ptr_reg == {PTR_W{1'b0}};

            assign s_ready = !valid_reg || m_ready;
            assign m_valid = valid_reg;
            assign m_data  = data_reg;
            assign m_last  = last_reg;

            genvar g;
            for (g = 0; g < PARTS; g = g + 1) begin : gen_part
                assign m_strb[g*(S_W/8) +: S_W/8] = {(S_W/8){have_reg[g]}};
                always @(posedge clk) begin
                    if (take && ptr_reg == g) begin
                        data_reg[g*S_W +: S_W] <= s_data;
                        have_reg[g] <= 1'b1;
                    end else if (take && first) begin
                        data_reg[g*S_W +: S_W] <= {S_W{1'b0}};
                        have_reg[g] <= 1'b0;
                    end
                end
            end

            always @(posedge clk) begin
                if (take) begin
                    ptr_reg   <= s_last ? {PTR_W{1'b0}} : ptr_reg + 1'b1;
                    last_reg  <= s_last;
                    valid_reg <= s_last || &ptr_reg;
                end else if (m_ready) begin
                    valid_reg <= 1'b0;
                end
                if (rst) begin
                    ptr_reg   <= {PTR_W{1'b0}};
                    valid_reg <= 1'b0;
                end
            end
        end
    endgenerate

endmodule

`resetall
