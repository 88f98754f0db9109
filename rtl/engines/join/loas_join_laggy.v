// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Inner join, back, LAGGY: adds each weight as if its neuron had fired at every timestep, and takes off later what was
// too much.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: the place of a packed word is known later than the match. So the weight goes at once into a pseudo
// accumulator; match and weight wait in two FIFOs until the laggy prefix sums and the words of the row are there. Then
// the weight goes into the correction accumulators of the timesteps without a spike, and at the column's end O[t] =
// pseudo - correction[t].
//
// Contract: s_* is the stream of loas_join; an entry is taken each cycle while the FIFOs have room. m_*: the T sums of
// each column, m_last with the task's last. A finished column's pseudo sum waits beside its last weight, so that the
// next column starts at once.
// Stages: C0 reads the sums of the slices, C1 the word, C2 corrects. They stop together while C2 ends a column and m is
// not taken. With DEEP the word and what goes with it pass a register in front of C2.
// Widths: the packer bounds the sum of |w| of a column, so every sum of a subset fits ACC_W. Sums that wrap come out
// right as long as O[t] fits. ev_correction: a word that was not all ones was corrected.
module loas_join_laggy #(
    parameter integer T          = 4,
    parameter integer CHUNK_W    = 128,
    parameter integer SLICE_W    = 16,
    parameter integer WEIGHT_W   = 8,
    parameter integer ACC_W      = 16,
    parameter integer K_MAX      = 8192,
    parameter integer FIFO_DEPTH = 8,    // of each FIFO
    parameter integer DEEP       = 0,    // 1: for the slow wires of an FPGA, see m_sum
    parameter integer LOC_W      = 13
) (
    input  wire                          clk,
    input  wire                          rst,

    input  wire                          s_valid,
    output wire                          s_ready,
    input  wire [WEIGHT_W-1:0]           s_weight,
    input  wire                          s_match,
    input  wire                          s_col_last,
    input  wire                          s_task_last,
    input  wire                          s_bank,
    input  wire [LOC_W-1:0]              s_loc,       // {chunk, slice, ones of the slice below}

    // the row, see loas_row_buffer
    input  wire [1:0]                    complete,
    output wire                          base_rd_en,
    output wire                          base_rd_bank,
    output wire [(K_MAX > CHUNK_W ? $clog2(K_MAX/CHUNK_W) : 1)-1:0] base_rd_chunk,
    input  wire [(CHUNK_W/SLICE_W)*$clog2(K_MAX+1)-1:0] base_rd_data,
    output wire                          word_rd_en,
    output wire                          word_rd_bank,
    output wire [$clog2(K_MAX+1)-1:0]    word_rd_index,
    input  wire [T-1:0]                  word_rd_data,

    output wire                          m_valid,
    input  wire                          m_ready,
    output wire [T*ACC_W-1:0]            m_sum,       // O[t] at t*ACC_W
    output wire                          m_last,

    output wire                          ev_wait,     // the oldest entry waits for its row
    output wire                          ev_correction
);

    localparam integer CHUNK_AW = K_MAX > CHUNK_W ? $clog2(K_MAX / CHUNK_W) : 1;
    localparam integer SLICE_B  = $clog2(SLICE_W);
    localparam integer SLICE_AW = CHUNK_W > SLICE_W ? $clog2(CHUNK_W / SLICE_W) : 1;
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer POS_W    = LOC_W + 4;
    localparam integer LEVEL_W  = $clog2(FIFO_DEPTH + 1);

    // -------------------------------------------------------------------------------------------- pseudo sum and FIFOs
    reg  [ACC_W-1:0] pseudo_reg;

    wire [ACC_W-1:0] pseudo =
        pseudo_reg + (s_match ? {{(ACC_W-WEIGHT_W){s_weight[WEIGHT_W-1]}}, s_weight} : {ACC_W{1'b0}});
    wire             push   = s_valid && s_ready;

    wire pos_ready, pos_valid, pop;
    wire weight_ready, weight_valid;
    wire [POS_W-1:0]    pos;
    wire [WEIGHT_W-1:0] weight;
    wire [ACC_W-1:0]    c0_pseudo;
    wire [LEVEL_W-1:0]  unused_pos_level, unused_weight_level;

    assign s_ready = pos_ready;   // weights are in step

    always @(posedge clk) begin
        if (push) pseudo_reg <= s_col_last ? {ACC_W{1'b0}} : pseudo;
        if (rst) pseudo_reg <= {ACC_W{1'b0}};
    end

    loas_fifo #(.W(POS_W), .DEPTH(FIFO_DEPTH)) pos_fifo_inst (
        .clk(clk), .rst(rst),
        .s_valid(push), .s_ready(pos_ready), .s_data({s_match, s_col_last, s_task_last, s_bank, s_loc}),
        .m_valid(pos_valid), .m_ready(pop), .m_data(pos), .level(unused_pos_level)
    );

    // with each weight the sum up to it: the last of a column has the column's
    loas_fifo #(.W(ACC_W + WEIGHT_W), .DEPTH(FIFO_DEPTH)) weight_fifo_inst (
        .clk(clk), .rst(rst),
        .s_valid(push), .s_ready(weight_ready), .s_data({pseudo, s_weight}),
        .m_valid(weight_valid), .m_ready(pop), .m_data({c0_pseudo, weight}), .level(unused_weight_level)
    );

    // ------------------------------------------------------------------------------------------ C0: sums of the slices
    wire go;          // C1 and C2 move
    wire head_bank;
    wire c0_match, c0_col_last, c0_task_last;
    wire [CHUNK_AW-1:0] c0_chunk;
    wire [SLICE_AW-1:0] c0_slice;
    wire [SLICE_B-1:0]  c0_count;

    assign {c0_match, c0_col_last, c0_task_last, head_bank, c0_chunk, c0_slice, c0_count} = pos;
    assign pop           = pos_valid && go && complete[head_bank];
    assign ev_wait       = pos_valid && !complete[head_bank];
    assign base_rd_en    = pop && c0_match;
    assign base_rd_bank  = head_bank;
    assign base_rd_chunk = c0_chunk;

    // ---------------------------------------------------------------------------------------------------- C1: the word
    reg                c1_valid_reg;
    reg                c1_match_reg;
    reg                c1_col_last_reg;
    reg                c1_task_last_reg;
    reg                c1_bank_reg;
    reg [SLICE_AW-1:0] c1_slice_reg;
    reg [SLICE_B-1:0]  c1_count_reg;
    reg [WEIGHT_W-1:0] c1_weight_reg;
    reg [ACC_W-1:0]    c1_pseudo_reg;

    wire [BASE_W-1:0] base = base_rd_data[c1_slice_reg*BASE_W +: BASE_W];

    assign word_rd_en    = go && c1_valid_reg && c1_match_reg;
    assign word_rd_bank  = c1_bank_reg;
    assign word_rd_index = base + {{(BASE_W-SLICE_B){1'b0}}, c1_count_reg};

    // ---------------------------------------------------------------------------------------------- C2: the correction
    localparam integer C2_W = 4 + WEIGHT_W + ACC_W;
    reg  [C2_W-1:0]     read_reg;      // beside the word that has been read
    wire                c2_valid, c2_match, c2_col_last, c2_task_last;
    wire [WEIGHT_W-1:0] c2_weight;
    wire [ACC_W-1:0]    c2_pseudo;
    wire [T-1:0]        c2_word;

    always @(posedge clk) begin
        if (go) begin
            c1_valid_reg     <= pop;
            c1_match_reg     <= c0_match;
            c1_col_last_reg  <= c0_col_last;
            c1_task_last_reg <= c0_task_last;
            c1_bank_reg      <= head_bank;
            c1_slice_reg     <= c0_slice;
            c1_count_reg     <= c0_count;
            c1_weight_reg    <= weight;
            c1_pseudo_reg    <= c0_pseudo;
            read_reg         <=
                {c1_valid_reg, c1_match_reg, c1_col_last_reg, c1_task_last_reg, c1_weight_reg, c1_pseudo_reg};
        end
        if (rst) begin
            c1_valid_reg     <= 1'b0;
            read_reg[C2_W-1] <= 1'b0;
        end
    end

    generate
        if (DEEP != 0) begin : gen_word_cut
            reg [T+C2_W-1:0] word_reg;
            assign {c2_word, c2_valid, c2_match, c2_col_last, c2_task_last, c2_weight, c2_pseudo} = word_reg;
            always @(posedge clk) begin
                if (go) word_reg <= {word_rd_data, read_reg};
                if (rst) word_reg[C2_W-1] <= 1'b0;
            end
        end else begin : gen_word
            assign {c2_word, c2_valid, c2_match, c2_col_last, c2_task_last, c2_weight, c2_pseudo} =
                {word_rd_data, read_reg};
        end
    endgenerate

    reg               m_valid_reg;
    reg               m_last_reg;
    // DEEP: the corrections, which m_pseudo_reg becomes the sums with behind the register
    reg [T*ACC_W-1:0] m_sum_reg;
    reg [ACC_W-1:0]   m_pseudo_reg;
    reg [T*ACC_W-1:0] fix_reg;       // correction accumulators

    wire c2_end = c2_valid && c2_col_last;
    wire c2_go  = c2_valid && go;
    wire done   = c2_end && go;

    assign go            = !c2_end || !m_valid_reg || m_ready;
    assign ev_correction = c2_go && c2_match && !(&c2_word);

    genvar t;
    generate
        for (t = 0; t < T; t = t + 1) begin : gen_step
            wire             off = c2_match && !c2_word[t];
            wire [ACC_W-1:0] sum = fix_reg[t*ACC_W +: ACC_W]
                                 + (off ? {{(ACC_W-WEIGHT_W){c2_weight[WEIGHT_W-1]}}, c2_weight} : {ACC_W{1'b0}});
            always @(posedge clk) begin
                if (c2_go) fix_reg[t*ACC_W +: ACC_W] <= c2_col_last ? {ACC_W{1'b0}} : sum;
                if (done) m_sum_reg[t*ACC_W +: ACC_W] <= DEEP != 0 ? sum : c2_pseudo - sum;
                if (rst) fix_reg[t*ACC_W +: ACC_W] <= {ACC_W{1'b0}};
            end
            assign m_sum[t*ACC_W +: ACC_W] = DEEP != 0
                ? m_pseudo_reg - m_sum_reg[t*ACC_W +: ACC_W] : m_sum_reg[t*ACC_W +: ACC_W];
        end
    endgenerate

    always @(posedge clk) begin
        if (done) begin
            m_last_reg   <= c2_task_last;
            m_pseudo_reg <= c2_pseudo;
        end
        m_valid_reg <= done || (m_valid_reg && !m_ready);
        if (rst) m_valid_reg <= 1'b0;
    end

    assign m_valid = m_valid_reg;
    assign m_last  = m_last_reg;
    // match and weight FIFO are in step
    wire unused_ok = &{1'b0, weight_ready, weight_valid, m_pseudo_reg};

endmodule

`resetall
