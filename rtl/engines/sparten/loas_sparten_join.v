// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SparTen-SNN, inner join: finds the matches of the spikes of one timestep after the other with columns of B.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: what LoAS is compared with. SparTen's inner join (Gondimalla et al., MICRO 2019) ANDs two bitmasks, walks
// the matches with a priority encoder, and finds both operands of each with a fast prefix sum. For a spiking network a
// layer is T such joins: the spikes of a timestep are one bitmask (a plane), and a weight is added without a
// multiplier. A window of WINDOW chunks is one chunk to it.
//
// Contract: as loas_join, with planes for the mask of A: tasks use banks 0, 1, 0, 1, ...; each window of B stays while
// planes 0 to T - 1 of that window are walked, so B is read once and not T times. Out, in order: an entry for each
// match with its timestep, the place of its weight and that of the window's first weight, and one without a match where
// a column's end does not go with one. m_spike: place of the spike among those of the window's plane, by the prefix sum
// over A. SparTen reads the operand there; a spike is always one, so here nobody does. It is kept because it is part of
// the published circuit, whose area is compared.
// Rate: a window takes the sum over timesteps of max(1, matches) cycles, without a gap between timesteps, windows,
// columns or tasks. Exactly one of ev_* is high in each cycle: what the issue slot did for a timestep of a window, or
// why it could not. ev_stuck: entries are not taken.
//
// Stages: F0 reads A's plane; F1 meets B's window; F2 issues a match a cycle; F3 both prefix sums. F4, F5:
// loas_sparten_weights.
// Edges: more or fewer weights than s_end says, or a b_last that does not fit s_cols, raise err, a level, and the
// stream has no meaning from there on.
module loas_sparten_join #(
    parameter integer T       = 4,
    parameter integer CHUNK_W = 128,
    parameter integer WINDOW  = 1,      // 1, 2 or 4 chunks: the width of both prefix sums is WINDOW * CHUNK_W
    parameter integer K_MAX   = 8192,
    parameter integer POS_W   = 25      // counts weights of a task, from the start of its first line, and one bit more
) (
    input  wire                               clk,
    input  wire                               rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,

    input  wire                               s_valid,
    output wire                               s_ready,
    input  wire [10:0]                        s_cols,       // 1 to 1024
    input  wire [POS_W-1:0]                   s_start,
    input  wire [POS_W-1:0]                   s_end,

    // the row, see loas_sparten_planes
    input  wire [1:0]                         complete,
    input  wire                               ld_valid,
    input  wire                               ld_bank,
    input  wire [$clog2(K_MAX/(WINDOW*CHUNK_W)+1)-1:0] ld_windows,
    output wire                               rd_en,
    output wire                               rd_bank,
    output wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] rd_window,
    output wire [(T > 1 ? $clog2(T) : 1)-1:0] rd_step,
    input  wire [WINDOW*CHUNK_W-1:0]          rd_data,

    input  wire                               b_valid,
    output wire                               b_ready,
    input  wire [WINDOW*CHUNK_W-1:0]          b_data,
    input  wire                               b_last,

    output wire                               m_valid,
    input  wire                               m_ready,
    output wire                               m_match,
    output wire [(T > 1 ? $clog2(T) : 1)-1:0] m_step,
    output wire                               m_col_last,
    output wire                               m_task_last,
    output wire                               m_weights,    // the task has weights
    output wire [POS_W-1:0]                   m_pos,
    output wire [POS_W-1:0]                   m_first,
    output wire [$clog2(WINDOW*CHUNK_W+1)-1:0] m_spike,

    output reg                                err,
    output reg                                err_bank,     // of the task, with err

    output wire                               ev_match,
    output wire                               ev_empty,
    output wire                               ev_stall_a,
    output wire                               ev_stall_b,
    output wire                               ev_stuck,
    output wire                               ev_idle
);

    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WINDOWS  = K_MAX / WIDE;
    localparam integer WIN_W    = $clog2(WINDOWS + 1);
    localparam integer WIN_AW   = WINDOWS > 1 ? $clog2(WINDOWS) : 1;
    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer PLACE_W  = $clog2(WIDE);
    localparam integer OFFSET_W = $clog2(WIDE + 1);
    localparam integer STEP_W   = T > 1 ? $clog2(T) : 1;
    localparam integer LAST     = T - 1;
    localparam integer WINDOW_LAST = WINDOW - 1;

    generate
        if ((WINDOW != 1 && WINDOW != 2 && WINDOW != 4) || K_MAX % (WINDOW * CHUNK_W) != 0) begin : gen_illegal
            loas_sparten_join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX rule_inst ();
        end
    endgenerate

    wire f1_fire, f2_ready, f2_done, f3_ready;

    // ---------------------------------------------------------------------------------- F0: the next plane of a window
    reg                f0_valid_reg;
    reg                f0_bank_reg;
    reg                f0_first_reg;     // first plane of the task
    reg [STEP_W-1:0]   f0_step_reg;
    reg [WIN_W-1:0]    f0_window_reg;
    reg [9:0]          f0_cols_reg;      // columns left, 0: 1024
    reg [POS_W-1:0]    f0_start_reg;
    reg [POS_W-1:0]    f0_end_reg;

    reg                f1_valid_reg;

    wire [CHUNKS_W:0] rounded = {1'b0, cfg_chunks} + WINDOW_LAST[CHUNKS_W:0];
    wire [WIN_W-1:0]  windows = rounded[WINDOW_B +: WIN_W];          // of a column

    wire f0_here     = complete[f0_bank_reg] || (ld_valid && ld_bank == f0_bank_reg && f0_window_reg < ld_windows);
    wire f0_win_end  = f0_step_reg == LAST[STEP_W-1:0];
    wire f0_col_end  = f0_win_end && f0_window_reg + 1'b1 == windows;
    wire f0_task_end = f0_col_end && f0_cols_reg == 10'd1;
    wire f0_fire     = f0_valid_reg && f0_here && (!f1_valid_reg || f1_fire);

    assign s_ready   = !f0_valid_reg || (f0_fire && f0_task_end);
    assign rd_en     = f0_fire;
    assign rd_bank   = f0_bank_reg;
    assign rd_window = f0_window_reg[WIN_AW-1:0];
    assign rd_step   = f0_step_reg;

    always @(posedge clk) begin
        if (s_valid && s_ready) begin
            f0_valid_reg  <= 1'b1;
            f0_bank_reg   <= !f0_bank_reg;
            f0_first_reg  <= 1'b1;
            f0_step_reg   <= {STEP_W{1'b0}};
            f0_window_reg <= {WIN_W{1'b0}};
            f0_cols_reg   <= s_cols[9:0];
            f0_start_reg  <= s_start;
            f0_end_reg    <= s_end;
        end else if (f0_fire) begin
            f0_valid_reg  <= !f0_task_end;
            f0_first_reg  <= 1'b0;
            f0_step_reg   <= f0_win_end ? {STEP_W{1'b0}} : f0_step_reg + 1'b1;
            if (f0_win_end) f0_window_reg <= f0_col_end ? {WIN_W{1'b0}} : f0_window_reg + 1'b1;
            if (f0_col_end) f0_cols_reg <= f0_cols_reg - 1'b1;
        end
        if (rst) begin
            f0_valid_reg <= 1'b0;
            f0_bank_reg  <= 1'b1;   // the first task turns it to 0
        end
    end

    // ------------------------------------------------------------------------------------------ F1: A meets B, a plane
    reg                f1_first_reg;
    reg                f1_win_last_reg;
    reg                f1_col_last_reg;
    reg                f1_task_last_reg;
    reg                f1_bank_reg;
    reg [STEP_W-1:0]   f1_step_reg;
    reg [POS_W-1:0]    f1_start_reg;
    reg [POS_W-1:0]    f1_end_reg;

    assign f1_fire = f1_valid_reg && b_valid && f2_ready;
    assign b_ready = f1_valid_reg && f2_ready && f1_win_last_reg;    // the window goes with its last timestep

    always @(posedge clk) begin
        if (f0_fire) begin
            f1_first_reg     <= f0_first_reg;
            f1_win_last_reg  <= f0_win_end;
            f1_col_last_reg  <= f0_col_end;
            f1_task_last_reg <= f0_task_end;
            f1_bank_reg      <= f0_bank_reg;
            f1_step_reg      <= f0_step_reg;
            if (f0_first_reg) begin
                f1_start_reg <= f0_start_reg;
                f1_end_reg   <= f0_end_reg;
            end
        end
        f1_valid_reg <= f0_fire || (f1_valid_reg && !f1_fire);
        if (rst) f1_valid_reg <= 1'b0;
    end

    // ---------------------------------------------------------------------------------------------- F2: match by match
    reg                f2_valid_reg;
    reg                f2_win_last_reg;
    reg                f2_col_last_reg;
    reg                f2_task_last_reg;
    reg                f2_weights_reg;
    reg                f2_bank_reg;
    reg [STEP_W-1:0]   f2_step_reg;
    reg [WIDE-1:0]     f2_left_reg;      // matches not yet issued
    reg [WIDE-1:0]     f2_a_reg;
    reg [WIDE-1:0]     f2_b_reg;
    reg [POS_W-1:0]    f2_pos_reg;       // place of the first weight of the window
    reg [POS_W-1:0]    f2_end_reg;

    wire                f2_any;
    wire [PLACE_W-1:0]  f2_place;
    wire [WIDE-1:0]     f2_onehot;
    wire [OFFSET_W-1:0] f2_ones;
    wire [WIDE-1:0]     f2_rest = f2_left_reg & ~f2_onehot;
    wire                f2_end  = f2_rest == {WIDE{1'b0}};
    wire                f2_send = f2_valid_reg && (f2_any || f2_col_last_reg);
    wire                f2_step = f2_valid_reg && (!f2_send || f3_ready);
    wire [POS_W-1:0]    f2_next = f2_pos_reg + {{(POS_W-OFFSET_W){1'b0}}, f2_ones};

    wire                f1_bad  = f1_fire && f1_win_last_reg && b_last != f1_task_last_reg;
    wire                f2_bad  = f2_valid_reg && (f2_next > f2_end_reg || (f2_task_last_reg && f2_next != f2_end_reg));

    assign f2_done  = f2_step && f2_end;
    assign f2_ready = !f2_valid_reg || f2_done;

    loas_prio_enc #(.W(WIDE)) match_inst (.in(f2_left_reg), .any(f2_any), .index(f2_place), .onehot(f2_onehot));
    loas_popcount #(.W(WIDE)) ones_inst  (.in(f2_b_reg), .count(f2_ones));

    always @(posedge clk) begin
        if (f1_fire) begin
            f2_left_reg      <= rd_data & b_data;
            f2_a_reg         <= rd_data;
            f2_b_reg         <= b_data;
            f2_win_last_reg  <= f1_win_last_reg;
            f2_col_last_reg  <= f1_col_last_reg;
            f2_task_last_reg <= f1_task_last_reg;
            f2_weights_reg   <= f1_start_reg != f1_end_reg;
            f2_bank_reg      <= f1_bank_reg;
            f2_step_reg      <= f1_step_reg;
            f2_end_reg       <= f1_end_reg;
        end else if (f2_step) begin
            f2_left_reg <= f2_rest;
        end
        if (f1_fire && f1_first_reg) f2_pos_reg <= f1_start_reg;
        else if (f2_done && f2_win_last_reg) f2_pos_reg <= f2_next;
        f2_valid_reg <= f1_fire || (f2_valid_reg && !f2_done);
        // a weight behind the end would be waited for in vain, so every window is checked before its matches need it
        err      <= f1_bad || f2_bad;
        err_bank <= f2_bad ? f2_bank_reg : f1_bank_reg;
        if (rst) begin
            f2_valid_reg <= 1'b0;
            err          <= 1'b0;
        end
    end

    // ------------------------------------------------------------------------------------- F3: places of both operands
    reg               f3_valid_reg;
    reg               f3_match_reg;
    reg               f3_col_last_reg;
    reg               f3_task_last_reg;
    reg               f3_weights_reg;
    reg [STEP_W-1:0]  f3_step_reg;
    reg [PLACE_W-1:0] f3_place_reg;
    reg [WIDE-1:0]    f3_a_reg;
    reg [WIDE-1:0]    f3_b_reg;
    reg [POS_W-1:0]   f3_pos_reg;

    wire f2_issue = f2_send && f3_ready;
    wire [OFFSET_W-1:0] f3_offset;
    wire [OFFSET_W-1:0] unused_total_a, unused_total_b;

    assign f3_ready = !f3_valid_reg || m_ready;

    loas_prefix_fast #(.W(WIDE)) prefix_b_inst (.mask(f3_b_reg), .pos(f3_place_reg), .offset(f3_offset),
        .total(unused_total_b));
    loas_prefix_fast #(.W(WIDE)) prefix_a_inst (.mask(f3_a_reg), .pos(f3_place_reg), .offset(m_spike),
        .total(unused_total_a));

    always @(posedge clk) begin
        if (f2_issue) begin
            f3_match_reg     <= f2_any;
            f3_col_last_reg  <= f2_col_last_reg && f2_end;
            f3_task_last_reg <= f2_task_last_reg && f2_end;
            f3_weights_reg   <= f2_weights_reg;
            f3_step_reg      <= f2_step_reg;
            f3_place_reg     <= f2_place;
            f3_a_reg         <= f2_a_reg;
            f3_b_reg         <= f2_b_reg;
            f3_pos_reg       <= f2_pos_reg;
        end
        f3_valid_reg <= f2_issue || (f3_valid_reg && !m_ready);
        if (rst) f3_valid_reg <= 1'b0;
    end

    assign m_valid     = f3_valid_reg;
    assign m_match     = f3_match_reg;
    assign m_step      = f3_step_reg;
    assign m_col_last  = f3_col_last_reg;
    assign m_task_last = f3_task_last_reg;
    assign m_weights   = f3_weights_reg;
    assign m_pos       = f3_pos_reg + {{(POS_W-OFFSET_W){1'b0}}, f3_offset};
    assign m_first     = f3_pos_reg;

    // ---------------------------------------------------------------------------------------------------------- events
    assign ev_match   = f2_step && f2_any;
    assign ev_empty   = f2_step && !f2_any;
    assign ev_stuck   = f2_valid_reg && !f2_step;
    assign ev_stall_b = !f2_valid_reg && f1_valid_reg;
    assign ev_stall_a = !f2_valid_reg && !f1_valid_reg && f0_valid_reg;
    assign ev_idle    = !f2_valid_reg && !f1_valid_reg && !f0_valid_reg;

    wire unused_ok = &{1'b0, s_cols[10], rounded};

endmodule

`resetall
