// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SparTen-SNN: adds each weight to the sum of its timestep.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: timesteps come one after the other, so one adder is enough; but they take turns within a window, so there is
// a sum for each.
// Contract: s_* is the stream of loas_sparten_weights; an entry is taken each cycle unless a column has ended and the
// sums of the one before were not taken. m_*: the T sums of each column, m_last with the task's last.
// Stages: an entry is added in the cycle after it was taken.
// Widths: the packer bounds the sum of |w| of a column, so the sum of every subset fits ACC_W.
module loas_sparten_sums #(
    parameter integer T        = 4,
    parameter integer WEIGHT_W = 8,
    parameter integer ACC_W    = 16
) (
    input  wire                clk,
    input  wire                rst,

    input  wire                s_valid,
    output wire                s_ready,
    input  wire [WEIGHT_W-1:0] s_weight,
    input  wire                s_match,
    input  wire [(T > 1 ? $clog2(T) : 1)-1:0] s_step,
    input  wire                s_col_last,
    input  wire                s_task_last,

    output wire                m_valid,
    input  wire                m_ready,
    output wire [T*ACC_W-1:0]  m_sum,        // O[t] at t*ACC_W
    output wire                m_last
);

    localparam integer STEP_W = T > 1 ? $clog2(T) : 1;

    reg                valid_reg;
    reg                match_reg;
    reg                col_last_reg;
    reg                task_last_reg;
    reg [STEP_W-1:0]   step_reg;
    reg [WEIGHT_W-1:0] weight_reg;

    reg               m_valid_reg;
    reg               m_last_reg;
    reg [T*ACC_W-1:0] m_sum_reg;
    reg [T*ACC_W-1:0] acc_reg;

    wire col_end = valid_reg && col_last_reg;
    wire go      = !col_end || !m_valid_reg || m_ready;
    wire done    = col_end && go;

    assign s_ready = go;

    always @(posedge clk) begin
        if (go) begin
            valid_reg     <= s_valid;
            match_reg     <= s_match;
            col_last_reg  <= s_col_last;
            task_last_reg <= s_task_last;
            step_reg      <= s_step;
            weight_reg    <= s_weight;
        end
        if (done) m_last_reg <= task_last_reg;
        m_valid_reg <= done || (m_valid_reg && !m_ready);
        if (rst) begin
            valid_reg   <= 1'b0;
            m_valid_reg <= 1'b0;
        end
    end

    // one adder, that of the timestep at hand
    wire [ACC_W*(T+1)-1:0] chain;
    wire [ACC_W-1:0]       sum = chain[ACC_W*T +: ACC_W]
                               + (match_reg ? {{(ACC_W-WEIGHT_W){weight_reg[WEIGHT_W-1]}}, weight_reg} : {ACC_W{1'b0}});
    assign chain[ACC_W-1:0] = {ACC_W{1'b0}};

    genvar t;
    generate
        for (t = 0; t < T; t = t + 1) begin : gen_step
            wire here;
            if (T > 1) begin : gen_pick
                assign here = step_reg == t;
            end else begin : gen_only
                assign here = 1'b1;
                wire unused_step = step_reg;
            end
            assign chain[ACC_W*(t+1) +: ACC_W] = chain[ACC_W*t +: ACC_W] | (acc_reg[t*ACC_W +: ACC_W] & {ACC_W{here}});
            always @(posedge clk) begin
                if (valid_reg && go && (here || col_last_reg))
                    acc_reg[t*ACC_W +: ACC_W] <= col_last_reg ? {ACC_W{1'b0}} : sum;
                if (done) m_sum_reg[t*ACC_W +: ACC_W] <= here ? sum : acc_reg[t*ACC_W +: ACC_W];
                if (rst) acc_reg[t*ACC_W +: ACC_W] <= {ACC_W{1'b0}};
            end
        end
    endgenerate

    assign m_valid = m_valid_reg;
    assign m_last  = m_last_reg;
    assign m_sum   = m_sum_reg;

endmodule

`resetall
