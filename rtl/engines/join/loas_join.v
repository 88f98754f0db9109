// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Inner join, front: finds the matches of a row of A with columns of B, and the weight of each.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: for each column of a block, AND its mask chunks with those of the row, walk the matches in order, and find
// each one's weight with one fast prefix sum over B. Most chunks have no match, so WINDOW of them are looked at
// together.
//
// Contract: a task is s_cols columns of cfg_chunks chunks each; tasks use row banks 0, 1, 0, 1, ... B's masks come at
// b_* in windows of WINDOW chunks, column after column, a column's last window filled with zeros, b_last with the
// task's last. The lines of its weights come at w_*, w_last with the last one, none for a task without weights; its
// first weight is in place s_start of the first line (or of a later one: then lines in front are passed), the one
// behind its last in s_end.
// Out, in order: an entry for each match, and one without where a column's end does not go with a match. e_col_last and
// e_task_last mark the ends; the task's end comes when all its lines are used up. e_weight has no meaning without a
// match.
// Where the word is: LAGGY: e_loc = {chunk, slice, ones of A's slice below the match}; FAST: e_loc = index of the word.
// Rate: a window takes max(1, matches) cycles as long as nobody stalls, without a gap between windows, columns or
// tasks. A line of weights that is behind the last match is left while the match before still moves, so going on to the
// next is free. Exactly one of ev_* is high in each cycle: what the issue slot did, or why it could not. ev_blocked:
// entries are not taken.
//
// Stages: F0 reads A's window; F1 meets B's; F2 issues a match a cycle; F3 prefix sum; F4 picks the weight. With DEEP a
// skid buffer between F3 and F4, so that neither the prefix sum meets the line of weights, nor a wait for it the front,
// in the same cycle.
// Edges: more or fewer weights than s_end says, or a b_last that does not fit s_cols, raise err, a level, and the
// stream has no meaning from there on.
module loas_join #(
    parameter integer CHUNK_W  = 128,
    parameter integer WINDOW   = 1,     // 1, 2 or 4 chunks; an AND, a priority encoder and a popcount each
    parameter integer SLICE_W  = 16,
    parameter integer WEIGHT_W = 8,
    parameter integer K_MAX    = 8192,
    parameter integer LAGGY    = 1,
    parameter integer DEEP     = 0,     // 1: more stages, for the slow wires of an FPGA
    parameter integer LINE_W   = 1024,
    parameter integer POS_W    = 25,    // counts weights of a task, from the start of its first line, and one bit more
    parameter integer LOC_W    = 13
) (
    input  wire                               clk,
    input  wire                               rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,

    input  wire                               s_valid,
    output wire                               s_ready,
    input  wire [10:0]                        s_cols,       // 1 to 1024
    input  wire [POS_W-1:0]                   s_start,
    input  wire [POS_W-1:0]                   s_end,

    // the row, see loas_row_buffer
    input  wire [1:0]                         complete,
    input  wire                               ld_valid,
    input  wire                               ld_bank,
    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] ld_masks,
    output wire                               mask_rd_en,
    output wire                               mask_rd_bank,
    output wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] mask_rd_window,
    input  wire [WINDOW*CHUNK_W-1:0]          mask_rd_data, // may be anything behind the row's last chunk
    input  wire [WINDOW*$clog2(K_MAX+1)-1:0]  mask_rd_base, // FAST: words in front of each chunk, with mask_rd_data

    input  wire                               b_valid,
    output wire                               b_ready,
    input  wire [WINDOW*CHUNK_W-1:0]          b_data,
    input  wire                               b_last,

    input  wire                               w_valid,
    output wire                               w_ready,
    input  wire [LINE_W-1:0]                  w_data,
    input  wire                               w_last,

    output wire                               e_valid,
    input  wire                               e_ready,
    output wire [WEIGHT_W-1:0]                e_weight,
    output wire                               e_match,
    output wire                               e_col_last,
    output wire                               e_task_last,
    output wire                               e_bank,
    output wire [LOC_W-1:0]                   e_loc,

    output reg                                err,
    output reg                                err_bank,     // of the task, with err

    output wire                               ev_match,
    output wire                               ev_empty,
    output wire                               ev_stall_a,
    output wire                               ev_stall_b,
    output wire                               ev_stall_weight,
    output wire                               ev_blocked,
    output wire                               ev_idle
);

    localparam integer CHUNKS   = K_MAX / CHUNK_W;
    localparam integer CHUNKS_W = $clog2(CHUNKS + 1);
    localparam integer CHUNK_AW = CHUNKS > 1 ? $clog2(CHUNKS) : 1;
    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WINDOWS  = CHUNKS / WINDOW;
    localparam integer WIN_W    = $clog2(WINDOWS + 1);
    localparam integer WIN_AW   = WINDOWS > 1 ? $clog2(WINDOWS) : 1;
    localparam integer WINDOW_LAST = WINDOW - 1;
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer PLACE_W  = $clog2(CHUNK_W);
    localparam integer OFFSET_W = $clog2(CHUNK_W + 1);
    localparam integer WSLOT_W  = WEIGHT_W <= 4 ? 4 : 8;
    localparam integer SLOT_B   = $clog2(LINE_W / WSLOT_W);

    generate
        if ((WINDOW != 1 && WINDOW != 2 && WINDOW != 4) || K_MAX % (WINDOW * CHUNK_W) != 0) begin : gen_illegal
            loas_join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX rule_inst ();
        end
    endgenerate

    wire f1_fire, f2_ready, f2_done, f3_ready, f4_ready;

    // ---------------------------------------------------------------------------------------- F0: the next window of A
    reg                f0_valid_reg;
    reg                f0_bank_reg;
    reg                f0_first_reg;     // first window of the task
    reg [WIN_W-1:0]    f0_window_reg;
    reg [9:0]          f0_cols_reg;      // columns left, 0: 1024
    reg [POS_W-1:0]    f0_start_reg;
    reg [POS_W-1:0]    f0_end_reg;

    reg                f1_valid_reg;

    wire [CHUNKS_W:0] rounded = {1'b0, cfg_chunks} + WINDOW_LAST[CHUNKS_W:0];
    wire [WIN_W-1:0]  windows = rounded[WINDOW_B +: WIN_W];          // of a column
    wire [CHUNKS_W:0] f0_next = ({{(CHUNKS_W+1-WIN_W){1'b0}}, f0_window_reg} + 1'b1) << WINDOW_B;
    wire              f0_col_end = f0_window_reg + 1'b1 == windows;
    wire [CHUNKS_W:0] f0_need = f0_col_end ? {1'b0, cfg_chunks} : f0_next;

    wire f0_here     = complete[f0_bank_reg]
                    || (LAGGY != 0 && ld_valid && ld_bank == f0_bank_reg && f0_need <= {1'b0, ld_masks});
    wire f0_task_end = f0_col_end && f0_cols_reg == 10'd1;
    wire f0_fire     = f0_valid_reg && f0_here && (!f1_valid_reg || f1_fire);

    wire unused_cols = s_cols[10];

    assign s_ready       = !f0_valid_reg || (f0_fire && f0_task_end);
    assign mask_rd_en    = f0_fire;
    assign mask_rd_bank  = f0_bank_reg;
    assign mask_rd_window = f0_window_reg[WIN_AW-1:0];

    always @(posedge clk) begin
        if (s_valid && s_ready) begin
            f0_valid_reg <= 1'b1;
            f0_bank_reg  <= !f0_bank_reg;
            f0_first_reg <= 1'b1;
            f0_window_reg <= {WIN_W{1'b0}};
            f0_cols_reg  <= s_cols[9:0];
            f0_start_reg <= s_start;
            f0_end_reg   <= s_end;
        end else if (f0_fire) begin
            f0_valid_reg <= !f0_task_end;
            f0_first_reg <= 1'b0;
            f0_window_reg <= f0_col_end ? {WIN_W{1'b0}} : f0_window_reg + 1'b1;
            if (f0_col_end) f0_cols_reg <= f0_cols_reg - 1'b1;
        end
        if (rst) begin
            f0_valid_reg <= 1'b0;
            f0_bank_reg  <= 1'b1;   // the first task turns it to 0
        end
    end

    // ----------------------------------------------------------------------------------------- F1: A meets B, a window
    reg                f1_first_reg;
    reg                f1_col_last_reg;
    reg                f1_task_last_reg;
    reg                f1_bank_reg;
    reg [WIN_AW-1:0]   f1_window_reg;
    reg [POS_W-1:0]    f1_start_reg;
    reg [POS_W-1:0]    f1_end_reg;

    assign f1_fire = f1_valid_reg && b_valid && f2_ready;
    assign b_ready = f1_valid_reg && f2_ready;

    always @(posedge clk) begin
        if (f0_fire) begin
            f1_first_reg     <= f0_first_reg;
            f1_col_last_reg  <= f0_col_end;
            f1_task_last_reg <= f0_task_end;
            f1_bank_reg      <= f0_bank_reg;
            f1_window_reg    <= f0_window_reg[WIN_AW-1:0];
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
    reg                f2_col_last_reg;
    reg                f2_task_last_reg;
    reg                f2_weights_reg;   // the task has weights
    reg                f2_bank_reg;
    reg [WIN_AW-1:0]   f2_window_reg;
    reg [WIDE-1:0]     f2_left_reg;      // matches not yet issued
    reg [WIDE-1:0]     f2_a_reg;
    reg [WIDE-1:0]     f2_b_reg;
    reg [POS_W-1:0]    f2_pos_reg;       // place of the first weight of the window
    reg [POS_W-1:0]    f2_end_reg;

    // of the first chunk with a match: the match, the masks, and the place of its first weight; and the place behind
    // the window
    wire [CHUNK_AW-1:0] f2_chunk;
    wire                f2_any;
    wire [PLACE_W-1:0]  f2_place;
    wire [WIDE-1:0]     f2_rest;
    wire [CHUNK_W-1:0]  f2_a;
    wire [CHUNK_W-1:0]  f2_b;
    wire [POS_W-1:0]    f2_pos;
    wire [POS_W-1:0]    f2_next;
    wire                f2_end;                  // f2_rest is zero
    wire                f2_send  = f2_valid_reg && (f2_any || f2_col_last_reg);
    wire                f2_step  = f2_valid_reg && (!f2_send || f3_ready);

    wire                f1_bad   = f1_fire && b_last != f1_task_last_reg;
    wire                f2_bad   = f2_valid_reg
        && (f2_next > f2_end_reg || (f2_task_last_reg && f2_next != f2_end_reg));

    // f2_rest itself comes late, and all of the front waits for this
    loas_at_most_one #(.W(WIDE)) end_inst (.in(f2_left_reg), .yes(f2_end));

    assign f2_done  = f2_step && f2_end;
    assign f2_ready = !f2_valid_reg || f2_done;

    // chain over the chunks: earlier[c]: one in front has a match; sum[c]: weights of those in front
    localparam integer PICK_W = PLACE_W + 2 * CHUNK_W + OFFSET_W + WINDOW_B + 1;
    localparam integer SUM_W  = OFFSET_W + WINDOW_B + 1;
    wire [WINDOW:0]             earlier;
    wire [SUM_W*(WINDOW+1)-1:0] sum;
    wire [OFFSET_W*WINDOW-1:0]  ones;     // weights of each chunk
    wire [PICK_W*(WINDOW+1)-1:0] pick;
    wire [1:0]                  chunk_in;     // place of the chunk in the window
    wire [2*(WINDOW+1)-1:0]     chunk_chain;
    assign earlier[0]          = 1'b0;
    assign sum[SUM_W-1:0]      = {SUM_W{1'b0}};
    assign pick[PICK_W-1:0]    = {PICK_W{1'b0}};
    assign chunk_chain[1:0]    = 2'd0;
    genvar c;
    generate
        for (c = 0; c < WINDOW; c = c + 1) begin : gen_chunk
            localparam [1:0] HERE = c;
            wire                any;
            wire [PLACE_W-1:0]  place;
            wire [CHUNK_W-1:0]  onehot;
            wire                mine = any && !earlier[c];
            wire [PICK_W-1:0]   here =
                {sum[SUM_W*c +: SUM_W], f2_b_reg[CHUNK_W*c +: CHUNK_W], f2_a_reg[CHUNK_W*c +: CHUNK_W], place};
            loas_prio_enc #(.W(CHUNK_W)) match_inst (.in(f2_left_reg[CHUNK_W*c +: CHUNK_W]), .any(any), .index(place),
                .onehot(onehot));
            if (DEEP != 0) begin : gen_early
                reg  [OFFSET_W-1:0] ones_reg;
                wire [OFFSET_W-1:0] count;
                loas_popcount #(.W(CHUNK_W)) ones_inst (.in(b_data[CHUNK_W*c +: CHUNK_W]), .count(count));
                always @(posedge clk) begin
                    if (f1_fire) ones_reg <= count;
                end
                assign ones[OFFSET_W*c +: OFFSET_W] = ones_reg;
            end else begin : gen_late
                loas_popcount #(.W(CHUNK_W)) ones_inst (.in(f2_b_reg[CHUNK_W*c +: CHUNK_W]),
                    .count(ones[OFFSET_W*c +: OFFSET_W]));
            end
            assign earlier[c+1]                    = earlier[c] || any;
            assign sum[SUM_W*(c+1) +: SUM_W]       =
                sum[SUM_W*c +: SUM_W] + {{(SUM_W-OFFSET_W){1'b0}}, ones[OFFSET_W*c +: OFFSET_W]};
            assign pick[PICK_W*(c+1) +: PICK_W]    = pick[PICK_W*c +: PICK_W] | (here & {PICK_W{mine}});
            assign chunk_chain[2*(c+1) +: 2]       = chunk_chain[2*c +: 2] | (HERE & {2{mine}});
            assign f2_rest[CHUNK_W*c +: CHUNK_W]   = f2_left_reg[CHUNK_W*c +: CHUNK_W] & ~(onehot & {CHUNK_W{mine}});
        end
        if (WINDOW > 1) begin : gen_chunk_number
            if (CHUNKS > WINDOW) begin : gen_many
                assign f2_chunk = {f2_window_reg, chunk_in[WINDOW_B-1:0]};
            end else begin : gen_one
                assign f2_chunk = chunk_in[CHUNK_AW-1:0];
                wire unused_window = &{1'b0, f2_window_reg};
            end
        end else begin : gen_window_number
            assign f2_chunk = f2_window_reg;
        end
    endgenerate
    wire [SUM_W-1:0] before;      // weights of the window in front of the chunk

    assign f2_any   = earlier[WINDOW];
    assign {before, f2_b, f2_a, f2_place} = pick[PICK_W*WINDOW +: PICK_W];
    assign chunk_in = chunk_chain[2*WINDOW +: 2];
    assign f2_pos   = f2_pos_reg + {{(POS_W-SUM_W){1'b0}}, before};
    assign f2_next  = f2_pos_reg + {{(POS_W-SUM_W){1'b0}}, sum[SUM_W*WINDOW +: SUM_W]};
    wire unused_chunk = &{1'b0, chunk_in, rounded};

    always @(posedge clk) begin
        if (f1_fire) begin
            f2_left_reg      <= mask_rd_data & b_data;
            f2_a_reg         <= mask_rd_data;
            f2_b_reg         <= b_data;
            f2_col_last_reg  <= f1_col_last_reg;
            f2_task_last_reg <= f1_task_last_reg;
            f2_weights_reg   <= f1_start_reg != f1_end_reg;
            f2_bank_reg      <= f1_bank_reg;
            f2_window_reg    <= f1_window_reg;
            f2_end_reg       <= f1_end_reg;
        end else if (f2_step) begin
            f2_left_reg <= f2_rest;
        end
        if (f1_fire && f1_first_reg) f2_pos_reg <= f1_start_reg;
        else if (f2_done) f2_pos_reg <= f2_next;
        f2_valid_reg <= f1_fire || (f2_valid_reg && !f2_done);
        // a weight behind the end would be waited for in vain, so every window is checked before its matches need it
        err      <= f1_bad || f2_bad;
        err_bank <= f2_bad ? f2_bank_reg : f1_bank_reg;
        if (rst) begin
            f2_valid_reg <= 1'b0;
            err          <= 1'b0;
        end
    end

    // ----------------------------------------------------------------------------------------- F3: place of the weight
    reg               f3_valid_reg;
    reg               f3_match_reg;
    reg               f3_col_last_reg;
    reg               f3_task_last_reg;
    reg               f3_weights_reg;
    reg               f3_bank_reg;
    reg [PLACE_W-1:0] f3_place_reg;
    reg [CHUNK_W-1:0] f3_b_reg;
    reg [POS_W-1:0]   f3_pos_reg;

    wire f3_fire, f3_leave;
    wire f2_issue = f2_send && f3_ready;
    wire [OFFSET_W-1:0] f3_offset;
    wire [OFFSET_W-1:0] unused_total;
    wire [POS_W-1:0]    f3_weight = f3_pos_reg + {{(POS_W-OFFSET_W){1'b0}}, f3_offset};
    wire [LOC_W-1:0]    f3_loc;

    assign f3_fire  = f3_valid_reg && f3_leave;
    assign f3_ready = !f3_valid_reg || f3_leave;

    loas_prefix_fast #(.W(CHUNK_W)) prefix_b_inst (
        .mask(f3_b_reg), .pos(f3_place_reg), .offset(f3_offset), .total(unused_total)
    );

    always @(posedge clk) begin
        if (f2_issue) begin
            f3_match_reg     <= f2_any;
            f3_col_last_reg  <= f2_col_last_reg && f2_end;
            f3_task_last_reg <= f2_task_last_reg && f2_end;
            f3_weights_reg   <= f2_weights_reg;
            f3_bank_reg      <= f2_bank_reg;
            f3_place_reg     <= f2_place;
            f3_b_reg         <= f2_b;
            f3_pos_reg       <= f2_pos;
        end
        f3_valid_reg <= f2_issue || (f3_valid_reg && !f3_fire);
        if (rst) f3_valid_reg <= 1'b0;
    end

    generate
        if (LAGGY != 0) begin : gen_laggy
            localparam integer SLICE_B  = $clog2(SLICE_W);
            localparam integer COUNT_W  = $clog2(SLICE_W + 1);
            reg  [CHUNK_AW-1:0] chunk_reg;
            reg  [SLICE_W-1:0]  slice_reg;
            wire [COUNT_W-1:0]  count;
            wire [COUNT_W-1:0]  unused_ones;
            loas_prefix_fast #(.W(SLICE_W)) prefix_a_inst (
                .mask(slice_reg), .pos(f3_place_reg[SLICE_B-1:0]), .offset(count), .total(unused_ones)
            );
            if (CHUNK_W > SLICE_W) begin : gen_many
                wire [PLACE_W-SLICE_B-1:0] slice = f2_place[PLACE_W-1:SLICE_B];
                assign f3_loc = {chunk_reg, f3_place_reg[PLACE_W-1:SLICE_B], count[SLICE_B-1:0]};
                always @(posedge clk) begin
                    if (f2_issue) slice_reg <= f2_a[slice*SLICE_W +: SLICE_W];
                end
            end else begin : gen_one
                assign f3_loc = {chunk_reg, 1'b0, count[SLICE_B-1:0]};
                always @(posedge clk) begin
                    if (f2_issue) slice_reg <= f2_a;
                end
            end
            always @(posedge clk) begin
                if (f2_issue) chunk_reg <= f2_chunk;
            end
            // a match counts itself not, so at most SLICE_W - 1 ones are below it
            wire unused_ok = &{1'b0, mask_rd_base, count};
        end else begin : gen_fast
            reg  [CHUNK_W-1:0]  a_reg;
            reg  [WINDOW*BASE_W-1:0] f2_base_reg;
            reg  [BASE_W-1:0]   f3_base_reg;
            wire [OFFSET_W-1:0] offset;
            wire [OFFSET_W-1:0] unused_ones;
            wire [BASE_W:0]     index = {1'b0, f3_base_reg} + {{(BASE_W+1-OFFSET_W){1'b0}}, offset};
            loas_prefix_fast #(.W(CHUNK_W)) prefix_a_inst (
                .mask(a_reg), .pos(f3_place_reg), .offset(offset), .total(unused_ones)
            );
            assign f3_loc = index[BASE_W-1:0];
            always @(posedge clk) begin
                if (f1_fire) f2_base_reg <= mask_rd_base;
                if (f2_issue) begin
                    a_reg       <= f2_a;
                    f3_base_reg <= f2_base_reg[chunk_in*BASE_W +: BASE_W];
                end
            end
            wire unused_ok = &{1'b0, f2_chunk, index[BASE_W]};
        end
    endgenerate

    // -------------------------------------------------------------------------------------------------- F4: the weight
    // what enters
    localparam integer IN_W = 5 + LOC_W + POS_W;
    wire             in_valid, in_fire;
    wire             in_match, in_col_last, in_task_last, in_weights, in_bank;
    wire [LOC_W-1:0] in_loc;
    wire [POS_W-1:0] in_weight;
    wire [IN_W-1:0]  f3_out =
        {f3_match_reg, f3_col_last_reg, f3_task_last_reg, f3_weights_reg, f3_bank_reg, f3_loc, f3_weight};

    assign in_fire = in_valid && f4_ready;

    loas_cut #(.W(IN_W), .CUT(DEEP)) cut_inst (
        .clk(clk), .rst(rst), .s_valid(f3_valid_reg), .s_ready(f3_leave), .s_data(f3_out),
        .m_valid(in_valid), .m_ready(f4_ready),
        .m_data({in_match, in_col_last, in_task_last, in_weights, in_bank, in_loc, in_weight})
    );

    reg                    f4_valid_reg;
    reg                    f4_match_reg;
    reg                    f4_col_last_reg;
    reg                    f4_task_last_reg;
    reg                    f4_weights_reg;
    reg                    f4_bank_reg;
    reg [LOC_W-1:0]        f4_loc_reg;
    reg [SLOT_B-1:0]       f4_slot_reg;
    reg [POS_W-SLOT_B-1:0] f4_line_reg;
    reg [POS_W-SLOT_B-1:0] line_reg;      // of the task, the line that w_data holds
    reg                    f4_far_reg;    // f4_line_reg != line_reg: compared in advance, because much waits for it

    // Lines may be left when the last entry comes. They are used up before the task ends, so that nothing is on its way
    // afterwards: a match goes out alone, and what remains is an end without a match.
    wire f4_rest = f4_task_last_reg && f4_weights_reg && !(w_valid && w_last);
    wire f4_part = f4_match_reg && f4_rest;
    wire [POS_W-SLOT_B-1:0] in_line = in_weight[POS_W-1:SLOT_B];
    wire [POS_W-SLOT_B-1:0] line_up = line_reg + 1'b1;
    wire in_far  = in_match && in_line != line_reg;
    wire f4_far  = f4_match_reg && f4_far_reg;
    wire f4_go   = f4_valid_reg && (f4_match_reg ? w_valid && !f4_far : !f4_rest);
    wire f4_fire = f4_go && e_ready && !f4_part;
    wire f4_end  = f4_fire && f4_task_last_reg;
    // an entry that moves in asks for its line in advance, unless the one that leaves was the last of its task
    wire ahead   = in_fire ? in_far && !f4_end : f4_valid_reg && (f4_far || (!f4_match_reg && f4_rest));

    wire w_pop   = w_valid && w_ready;

    assign f4_ready = !f4_valid_reg || f4_fire;
    assign w_ready  = (f4_end && f4_weights_reg) || ahead;

    always @(posedge clk) begin
        if (in_fire) begin
            f4_match_reg     <= in_match;
            f4_col_last_reg  <= in_col_last;
            f4_task_last_reg <= in_task_last;
            f4_weights_reg   <= in_weights;
            f4_bank_reg      <= in_bank;
            f4_loc_reg       <= in_loc;
            f4_line_reg      <= in_weight[POS_W-1:SLOT_B];
            f4_slot_reg      <= in_weight[SLOT_B-1:0];
        end else if (f4_go && e_ready) begin
            f4_match_reg <= 1'b0;
        end
        f4_valid_reg <= in_fire || (f4_valid_reg && !f4_fire);
        if (f4_end) line_reg <= {(POS_W-SLOT_B){1'b0}};
        else if (w_pop) line_reg <= line_up;
        if (in_fire) f4_far_reg <= f4_end ? in_line != {(POS_W-SLOT_B){1'b0}} : in_line != (w_pop ? line_up : line_reg);
        else if (w_pop) f4_far_reg <= f4_line_reg != line_up;
        if (rst) begin
            f4_valid_reg <= 1'b0;
            line_reg     <= {(POS_W-SLOT_B){1'b0}};
        end
    end

    assign e_valid     = f4_go;
    assign e_weight    = w_data[f4_slot_reg*WSLOT_W +: WEIGHT_W];
    assign e_match     = f4_match_reg;
    assign e_col_last  = f4_col_last_reg && !f4_part;
    assign e_task_last = f4_task_last_reg && !f4_part;
    assign e_bank      = f4_bank_reg;
    assign e_loc       = f4_loc_reg;

    // ---------------------------------------------------------------------------------------------------------- events
    wire f2_stuck = f2_valid_reg && !f2_step;

    assign ev_match        = f2_step && f2_any;
    assign ev_empty        = f2_step && !f2_any;
    assign ev_stall_weight = f2_stuck && !ev_blocked;
    assign ev_blocked      = f2_stuck && f4_go && !e_ready;
    assign ev_stall_b      = !f2_valid_reg && f1_valid_reg;
    assign ev_stall_a      = !f2_valid_reg && !f1_valid_reg && f0_valid_reg;
    assign ev_idle         = !f2_valid_reg && !f1_valid_reg && !f0_valid_reg;

endmodule

`resetall
