// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Legal inputs for the proofs of verif/mutant_proof.py about tb_join with LAGGY = 0 (sizes of `small` in
// verif/mutants.toml).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Every input is free, but for what the contract says: there is a rst before the first task, and cfg_chunks (1 to 4)
// changes only while there is no task; a word's index is below K_MAX; the words in front of chunk c are at most c *
// CHUNK_W. Outputs are zero where they mean nothing.
module harness (
    input  wire        clk,
    input  wire        rst,
    input  wire [1:0]  cfg_less,      // cfg_chunks - 1
    input  wire        s_valid,
    output wire        s_ready,
    input  wire [10:0] s_cols,
    input  wire [9:0]  s_start,
    input  wire [9:0]  s_end,
    input  wire [1:0]  complete,
    input  wire        ld_valid,
    input  wire        ld_bank,
    input  wire [2:0]  ld_masks,
    input  wire        mask_wr_en,
    input  wire [2:0]  mask_wr_addr,
    input  wire [7:0]  mask_wr_data,
    input  wire [5:0]  base_wr_data,
    input  wire        word_wr_en,
    input  wire        word_wr_bank,
    input  wire [4:0]  word_wr_index,
    input  wire [1:0]  word_wr_data,
    input  wire        b_valid,
    output wire        b_ready,
    input  wire [15:0] b_data,
    input  wire        b_last,
    input  wire        w_valid,
    output wire        w_ready,
    input  wire [31:0] w_data,
    input  wire        w_last,
    output wire        m_valid,
    input  wire        m_ready,
    output wire [15:0] m_sum,
    output wire        m_last,
    output wire        err,
    output wire        err_bank,
    output wire [8:0]  events
);

    reg       begun_reg;   // there was a rst
    reg [1:0] less_reg;

    wire        ready, last, bank;
    wire [15:0] sum;
    wire [5:0]  most = {1'b0, mask_wr_addr[1:0], 3'd0};

    assign s_ready  = ready && begun_reg;
    assign m_sum    = m_valid ? sum : 16'd0;
    assign m_last   = m_valid && last;
    assign err_bank = err && bank;

    always @(posedge clk) begin
        if (rst) begun_reg <= 1'b1;
        if (rst || (events[6] && !s_valid)) less_reg <= cfg_less;
    end

    tb_join block_inst (
        .clk(clk), .rst(rst), .cfg_chunks({1'b0, less_reg} + 3'd1),
        .s_valid(s_valid && begun_reg), .s_ready(ready), .s_cols(s_cols), .s_start(s_start), .s_end(s_end),
        .complete(complete), .ld_valid(ld_valid), .ld_bank(ld_bank), .ld_masks(ld_masks),
        .mask_wr_en(mask_wr_en), .mask_wr_addr(mask_wr_addr), .mask_wr_data(mask_wr_data),
        .base_wr_data(base_wr_data > most ? most : base_wr_data),
        .word_wr_en(word_wr_en), .word_wr_addr({word_wr_bank, 1'b0, word_wr_index}), .word_wr_data(word_wr_data),
        .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_last(b_last),
        .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_last(w_last),
        .m_valid(m_valid), .m_ready(m_ready), .m_sum(sum), .m_last(last),
        .err(err), .err_bank(bank),
        .ev_match(events[0]), .ev_empty(events[1]), .ev_stall_a(events[2]), .ev_stall_b(events[3]),
        .ev_stall_weight(events[4]),
        .ev_blocked(events[5]), .ev_idle(events[6]), .ev_wait(events[7]), .ev_correction(events[8])
    );

endmodule

`resetall
