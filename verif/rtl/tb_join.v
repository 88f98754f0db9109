// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Test top: the inner join alone, front and back as in loas_tppe, or loas_sparten for both, with the RAMs of a row open
// for writing.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module tb_join #(
    parameter integer T          = 4,
    parameter integer CHUNK_W    = 32,
    parameter integer WINDOW     = 1,
    parameter integer SLICE_W    = 8,
    parameter integer WEIGHT_W   = 8,
    parameter integer ACC_W      = 16,
    parameter integer K_MAX      = 64,
    parameter integer LAGGY      = 1,
    parameter integer SEQUENTIAL = 0,
    parameter integer DEEP       = 0,
    parameter integer FIFO_DEPTH = 4,
    parameter integer LINE_W     = 128,
    parameter integer CHUNK_AW   = K_MAX > CHUNK_W ? $clog2(K_MAX / CHUNK_W) : 1,
    parameter integer BASE_W     = $clog2(K_MAX + 1),
    parameter integer BASES_W    = (LAGGY != 0 ? CHUNK_W / SLICE_W : 1) * BASE_W,
    parameter integer POS_W      = $clog2(K_MAX) + 12
) (
    input  wire                               clk,
    input  wire                               rst,
    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    input  wire                               s_valid,
    output wire                               s_ready,
    input  wire [10:0]                        s_cols,
    input  wire [POS_W-1:0]                   s_start,
    input  wire [POS_W-1:0]                   s_end,
    input  wire [1:0]                         complete,
    input  wire                               ld_valid,
    input  wire                               ld_bank,
    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] ld_masks,
    input  wire                               mask_wr_en,
    input  wire [CHUNK_AW:0]                  mask_wr_addr,   // bank, chunk
    input  wire [CHUNK_W-1:0]                 mask_wr_data,
    input  wire [BASES_W-1:0]                 base_wr_data,   // written with the mask
    input  wire                               word_wr_en,
    input  wire [BASE_W:0]                    word_wr_addr,   // bank, word
    input  wire [T-1:0]                       word_wr_data,
    input  wire                               b_valid,
    output wire                               b_ready,
    input  wire [WINDOW*CHUNK_W-1:0]          b_data,
    input  wire                               b_last,
    input  wire                               w_valid,
    output wire                               w_ready,
    input  wire [LINE_W-1:0]                  w_data,
    input  wire                               w_last,
    output wire                               m_valid,
    input  wire                               m_ready,
    output wire [T*ACC_W-1:0]                 m_sum,
    output wire                               m_last,
    output wire                               err,
    output wire                               err_bank,
    output wire                               ev_match,
    output wire                               ev_empty,
    output wire                               ev_stall_a,
    output wire                               ev_stall_b,
    output wire                               ev_stall_weight,
    output wire                               ev_blocked,
    output wire                               ev_idle,
    output wire                               ev_wait,
    output wire                               ev_correction,
    // SEQUENTIAL: a match goes to its sum, with what nobody reads:
    output wire                               spike_valid,
    output wire [$clog2(WINDOW*CHUNK_W+1)-1:0] spike          // its place by the prefix sum over A
);

    localparam integer SLICE_AW = CHUNK_W > SLICE_W ? $clog2(CHUNK_W / SLICE_W) : 1;
    localparam integer LOC_W    = LAGGY != 0 ? CHUNK_AW + SLICE_AW + $clog2(SLICE_W) : BASE_W;

    wire                mask_rd_en, mask_rd_bank, base_rd_en, base_rd_bank, word_rd_en, word_rd_bank;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WIN_AW   = K_MAX > WINDOW * CHUNK_W ? $clog2(K_MAX / (WINDOW * CHUNK_W)) : 1;
    wire [WIN_AW-1:0]   mask_rd_window;
    wire [CHUNK_AW-1:0] base_rd_chunk;
    wire [WINDOW*CHUNK_W-1:0] mask_rd_data;
    wire [WINDOW*BASE_W-1:0]  mask_rd_base;
    wire [BASES_W-1:0]  base_rd_data;
    wire [BASE_W-1:0]   word_rd_index;

    // chunk c of each window, and for FAST the words in front of it
    wire [CHUNK_AW-1:0] wr_chunk = mask_wr_addr[CHUNK_AW-1:0];
    wire [CHUNK_AW-1:0] wr_window = wr_chunk >> WINDOW_B;
    genvar c;
    generate
        for (c = 0; c < WINDOW; c = c + 1) begin : gen_window
            wire here = ({{(32-CHUNK_AW){1'b0}}, wr_chunk} & (WINDOW - 1)) == c;
            loas_ram #(.W(CHUNK_W), .DEPTH(2 << WIN_AW)) mask_ram_inst (
                .clk(clk), .wr_en(mask_wr_en && here), .wr_addr({mask_wr_addr[CHUNK_AW], wr_window[WIN_AW-1:0]}),
                .wr_data(mask_wr_data), .rd_en(mask_rd_en), .rd_addr({mask_rd_bank, mask_rd_window}),
                .rd_data(mask_rd_data[c*CHUNK_W +: CHUNK_W])
            );
            loas_ram #(.W(BASE_W), .DEPTH(2 << WIN_AW)) base_ram_inst (
                .clk(clk), .wr_en(mask_wr_en && here), .wr_addr({mask_wr_addr[CHUNK_AW], wr_window[WIN_AW-1:0]}),
                .wr_data(base_wr_data[BASE_W-1:0]), .rd_en(mask_rd_en), .rd_addr({mask_rd_bank, mask_rd_window}),
                .rd_data(mask_rd_base[c*BASE_W +: BASE_W])
            );
        end
    endgenerate

    loas_ram #(.W(BASES_W), .DEPTH(2 << CHUNK_AW)) base_ram_inst (
        .clk(clk), .wr_en(mask_wr_en), .wr_addr(mask_wr_addr), .wr_data(base_wr_data),
        .rd_en(base_rd_en), .rd_addr({base_rd_bank, base_rd_chunk}), .rd_data(base_rd_data)
    );

    // words by the chunk, as the row buffer keeps them
    localparam integer WORD_W  = 1 << $clog2(T);
    localparam integer WORDS   = CHUNK_W / WORD_W;
    localparam integer WORDS_B = $clog2(WORDS);

    generate
        if (SEQUENTIAL != 0) begin : gen_sequential
            wire [CHUNK_W-1:0]  words;
            wire [WORD_W+T-1:0] padded = {{WORD_W{1'b0}}, word_wr_data};
            genvar i;
            for (i = 0; i < WORDS; i = i + 1) begin : gen_word
                loas_ram #(.W(WORD_W), .DEPTH(2 << (BASE_W - WORDS_B))) word_ram_inst (
                    .clk(clk), .wr_en(word_wr_en && word_wr_addr[WORDS_B-1:0] == i),
                    .wr_addr(word_wr_addr[BASE_W:WORDS_B]),
                    .wr_data(padded[WORD_W-1:0]),
                    .rd_en(word_rd_en), .rd_addr({word_rd_bank, word_rd_index[BASE_W-1:WORDS_B]}),
                    .rd_data(words[i*WORD_W +: WORD_W])
                );
            end
            loas_sparten #(
                .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W),
                .K_MAX(K_MAX),
                .LINE_W(LINE_W), .POS_W(POS_W)
            ) rival_inst (
                .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks),
                .s_valid(s_valid), .s_ready(s_ready), .s_cols(s_cols), .s_start(s_start), .s_end(s_end),
                .complete(complete), .free(m_valid && m_ready && m_last),
                .mask_rd_en(mask_rd_en), .mask_rd_bank(mask_rd_bank), .mask_rd_window(mask_rd_window),
                .mask_rd_data(mask_rd_data),
                .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
                .word_rd_chunk(words),
                .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_last(b_last),
                .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_last(w_last),
                .m_valid(m_valid), .m_ready(m_ready), .m_sum(m_sum), .m_last(m_last),
                .err(err), .err_bank(err_bank),
                .ev_match(ev_match), .ev_empty(ev_empty), .ev_stall_a(ev_stall_a), .ev_stall_b(ev_stall_b),
                .ev_stall_weight(ev_stall_weight), .ev_blocked(ev_blocked), .ev_idle(ev_idle)
            );
            assign base_rd_en    = 1'b0;
            assign base_rd_bank  = 1'b0;
            assign base_rd_chunk = {CHUNK_AW{1'b0}};
            assign ev_wait       = 1'b0;
            assign ev_correction = 1'b0;
            assign spike_valid   = rival_inst.add_valid && rival_inst.add_ready && rival_inst.add_match;
            assign spike         = rival_inst.unused_spike;
        end else begin : gen_parallel
            assign spike_valid = 1'b0;
            assign spike       = {$clog2(WINDOW*CHUNK_W+1){1'b0}};
            wire [T-1:0]        word_rd_data;
            wire                e_valid, e_ready, e_match, e_col_last, e_task_last, e_bank;
            wire [WEIGHT_W-1:0] e_weight;
            wire [LOC_W-1:0]    e_loc;

            loas_ram #(.W(T), .DEPTH(2 << BASE_W)) word_ram_inst (
                .clk(clk), .wr_en(word_wr_en), .wr_addr(word_wr_addr), .wr_data(word_wr_data),
                .rd_en(word_rd_en), .rd_addr({word_rd_bank, word_rd_index}), .rd_data(word_rd_data)
            );

            loas_join #(
                .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .K_MAX(K_MAX),
                .LAGGY(LAGGY), .DEEP(DEEP),
                .LINE_W(LINE_W), .POS_W(POS_W), .LOC_W(LOC_W)
            ) front_inst (
                .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks),
                .s_valid(s_valid), .s_ready(s_ready), .s_cols(s_cols), .s_start(s_start), .s_end(s_end),
                .complete(complete), .ld_valid(ld_valid), .ld_bank(ld_bank), .ld_masks(ld_masks),
                .mask_rd_en(mask_rd_en), .mask_rd_bank(mask_rd_bank), .mask_rd_window(mask_rd_window),
                .mask_rd_data(mask_rd_data),
                .mask_rd_base(mask_rd_base),
                .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_last(b_last),
                .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_last(w_last),
                .e_valid(e_valid), .e_ready(e_ready), .e_weight(e_weight), .e_match(e_match), .e_col_last(e_col_last),
                .e_task_last(e_task_last), .e_bank(e_bank), .e_loc(e_loc),
                .err(err), .err_bank(err_bank),
                .ev_match(ev_match), .ev_empty(ev_empty), .ev_stall_a(ev_stall_a), .ev_stall_b(ev_stall_b),
                .ev_stall_weight(ev_stall_weight), .ev_blocked(ev_blocked), .ev_idle(ev_idle)
            );

            if (LAGGY != 0) begin : gen_laggy
                loas_join_laggy #(
                    .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .K_MAX(K_MAX),
                    .FIFO_DEPTH(FIFO_DEPTH), .DEEP(DEEP), .LOC_W(LOC_W)
                ) back_inst (
                    .clk(clk), .rst(rst),
                    .s_valid(e_valid), .s_ready(e_ready), .s_weight(e_weight), .s_match(e_match),
                    .s_col_last(e_col_last),
                    .s_task_last(e_task_last), .s_bank(e_bank), .s_loc(e_loc), .complete(complete),
                    .base_rd_en(base_rd_en), .base_rd_bank(base_rd_bank), .base_rd_chunk(base_rd_chunk),
                    .base_rd_data(base_rd_data),
                    .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
                    .word_rd_data(word_rd_data),
                    .m_valid(m_valid), .m_ready(m_ready), .m_sum(m_sum), .m_last(m_last),
                    .ev_wait(ev_wait), .ev_correction(ev_correction)
                );
            end else begin : gen_fast
                loas_join_fast #(.T(T), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .LOC_W(LOC_W)) back_inst (
                    .clk(clk), .rst(rst),
                    .s_valid(e_valid), .s_ready(e_ready), .s_weight(e_weight), .s_match(e_match),
                    .s_col_last(e_col_last),
                    .s_task_last(e_task_last), .s_bank(e_bank), .s_loc(e_loc),
                    .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
                    .word_rd_data(word_rd_data),
                    .m_valid(m_valid), .m_ready(m_ready), .m_sum(m_sum), .m_last(m_last)
                );
                assign base_rd_en    = 1'b0;
                assign base_rd_bank  = 1'b0;
                assign base_rd_chunk = {CHUNK_AW{1'b0}};
                assign ev_wait       = 1'b0;
                assign ev_correction = 1'b0;
            end
        end
    endgenerate

endmodule

`resetall
