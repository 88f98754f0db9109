// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Inner join, back, FAST: the place of the word is known with the match, so T accumulators take the weight at once.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: what LAGGY saves is measured against this: a second fast prefix sum, no FIFOs, no speculation.
// Contract: as loas_join_laggy, but s_loc is the index of the word, and the row of an entry must be complete.
// Stages: the word is read when an entry is taken, and added a cycle later.
module loas_join_fast #(
    parameter integer T        = 4,
    parameter integer WEIGHT_W = 8,
    parameter integer ACC_W    = 16,
    parameter integer LOC_W    = 14
) (
    input  wire                clk,
    input  wire                rst,

    input  wire                s_valid,
    output wire                s_ready,
    input  wire [WEIGHT_W-1:0] s_weight,
    input  wire                s_match,
    input  wire                s_col_last,
    input  wire                s_task_last,
    input  wire                s_bank,
    input  wire [LOC_W-1:0]    s_loc,

    // the row, see loas_row_buffer
    output wire                word_rd_en,
    output wire                word_rd_bank,
    output wire [LOC_W-1:0]    word_rd_index,
    input  wire [T-1:0]        word_rd_data,

    output wire                m_valid,
    input  wire                m_ready,
    output wire [T*ACC_W-1:0]  m_sum,        // O[t] at t*ACC_W
    output wire                m_last
);

    reg                valid_reg;
    reg                match_reg;
    reg                col_last_reg;
    reg                task_last_reg;
    reg [WEIGHT_W-1:0] weight_reg;

    reg               m_valid_reg;
    reg               m_last_reg;
    reg [T*ACC_W-1:0] m_sum_reg;
    reg [T*ACC_W-1:0] acc_reg;

    wire col_end = valid_reg && col_last_reg;
    wire go      = !col_end || !m_valid_reg || m_ready;
    wire done    = col_end && go;

    assign s_ready       = go;
    assign word_rd_en    = s_valid && go && s_match;
    assign word_rd_bank  = s_bank;
    assign word_rd_index = s_loc;

    always @(posedge clk) begin
        if (go) begin
            valid_reg     <= s_valid;
            match_reg     <= s_match;
            col_last_reg  <= s_col_last;
            task_last_reg <= s_task_last;
            weight_reg    <= s_weight;
        end
        if (done) m_last_reg <= task_last_reg;
        m_valid_reg <= done || (m_valid_reg && !m_ready);
        if (rst) begin
            valid_reg   <= 1'b0;
            m_valid_reg <= 1'b0;
        end
    end

    genvar t;
    generate
        for (t = 0; t < T; t = t + 1) begin : gen_step
            wire             on  = match_reg && word_rd_data[t];
            wire [ACC_W-1:0] sum = acc_reg[t*ACC_W +: ACC_W]
                                 + (on ? {{(ACC_W-WEIGHT_W){weight_reg[WEIGHT_W-1]}}, weight_reg} : {ACC_W{1'b0}});
            always @(posedge clk) begin
                if (valid_reg && go) acc_reg[t*ACC_W +: ACC_W] <= col_last_reg ? {ACC_W{1'b0}} : sum;
                if (done) m_sum_reg[t*ACC_W +: ACC_W] <= sum;
                if (rst) acc_reg[t*ACC_W +: ACC_W] <= {ACC_W{1'b0}};
            end
        end
    endgenerate

    assign m_valid = m_valid_reg;
    assign m_last  = m_last_reg;
    assign m_sum   = m_sum_reg;

endmodule

`resetall
