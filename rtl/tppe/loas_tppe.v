// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// TPPE: makes the sums of all T timesteps for one row of A and a block of columns of B, one output neuron after the other.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// This is the engine boundary: operand fibers in, T sums for each (row, column) out. Layouts: docs/image-format.md.
//
// Contract: a task is taken while the one before is still being joined: its row, records, masks and weights are then read
// ahead. task_ready falls only when a task is taken. With pooling a task is ph * pw output pixels one after the other,
// each with all its columns: sum_pool_first and sum_pool_last tell which is at hand. sum_*: one column after the other in the order of the tasks; sum_last with
// a pixel's last, sum_slot and sum_out_addr those of its task, sum_state_addr that of
// the pixel's membranes, sum_state what they were (zero without cfg_carry_in). cfg_* are stable while tasks are inside and, with DEEP,
// the cycle before.
// Cache port: rd_* hold until rd_ready, a response for each read, in order, always taken (loas_fiber_cache). Masks of B are what
// the join uses up fastest, so their lines are fetched ahead while the port has nothing else to do.
// Edges: err_fiber_a with the row's address: header and masks of the row disagree. err_fiber_b with the address of the block's
// records: masks, weights and columns disagree, or a record does not fit MEM_W. Nothing sensible comes after an error until rst.
// Events: exactly one of the first eight is high in each cycle; what they mean is in docs/inner-join.md.
//
//   task -> row buffer --> join front --> LAGGY or FAST back --> sum     (SEQUENTIAL: loas_sparten for both)
//        -> masks, weights ---^                                 ^
//        -> records --------------------------------------------'
module loas_tppe #(
    parameter integer T           = 4,      // an accumulator (LAGGY: and a correction accumulator) each
    parameter integer CHUNK_W     = 128,    // width of the prefix sums; sets the critical path
    parameter integer WINDOW      = 1,      // chunks that the inner join looks at together
    parameter integer SLICE_W     = 16,     // adders of the laggy prefix sum
    parameter integer WEIGHT_W    = 8,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer K_MAX       = 8192,   // RAM for two rows: 2 * K_MAX * (1 + word) bits and their prefix sums
    parameter integer LAGGY       = 1,
    parameter integer SEQUENTIAL  = 0,      // 1: SparTen-SNN in place of the inner join (docs/sparten.md); LAGGY must be 0
    parameter integer DEEP        = 0,      // 1: more pipeline stages, for the slow wires of an FPGA
    parameter integer FIFO_DEPTH  = 8,
    parameter integer LINE_W      = 1024,   // seven line buffers of this width
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer INDEX_RATE  = 4,      // index code: bytes decoded a cycle; 0: bitmasks only
    parameter integer CARRY       = 1       // 1: membranes are read
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire                           task_valid,
    output wire                           task_ready,
    input  wire [31:0]                    task_a_addr,  // first pixel of the row's window
    input  wire [17:0]                    task_y,
    input  wire [17:0]                    task_x,
    input  wire [31:0]                    task_a_addr2, // of the branch's
    input  wire [17:0]                    task_y2,
    input  wire [17:0]                    task_x2,
    input  wire [31:0]                    task_state,
    input  wire [31:0]                    task_params,
    input  wire [31:0]                    task_masks,
    input  wire [31:0]                    task_weights,
    input  wire [31:0]                    task_nnz,
    input  wire [10:0]                    task_cols,
    input  wire [$clog2(NUM_SLOTS)-1:0]   task_slot,
    input  wire [$clog2(OUT_ENTRIES)-1:0] task_out_addr,
    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    input  wire [511:0]                   cfg_walk,       // words of the walk record, and of the branch's
    input  wire [511:0]                   cfg_branch,
    input  wire                           cfg_index,
    input  wire                           cfg_carry_in,
    input  wire [31:0]                    cfg_state_stride,

    output wire                           rd_valid,
    input  wire                           rd_ready,
    output wire [31:0]                    rd_addr,
    output wire                           rd_keep,
    output wire                           rd_fetch,
    input  wire                           rsp_valid,
    input  wire [LINE_W-1:0]              rsp_data,

    output wire                           sum_valid,
    input  wire                           sum_ready,
    output wire [T*ACC_W-1:0]             sum_data,
    output wire [MEM_W-1:0]               sum_bias,
    output wire [MEM_W-1:0]               sum_threshold,
    output wire [31:0]                    sum_state,
    output wire [31:0]                    sum_state_addr,
    output wire                           sum_last,
    output wire                           sum_pool_first,
    output wire                           sum_pool_last,
    output wire [$clog2(NUM_SLOTS)-1:0]   sum_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] sum_out_addr,

    output wire                           err_fiber_a,
    output wire                           err_fiber_b,
    output wire [31:0]                    err_addr,

    output wire                           ev_match,
    output wire                           ev_empty,
    output wire                           ev_stall_a,
    output wire                           ev_stall_b,
    output wire                           ev_stall_weight,
    output wire                           ev_stall_laggy,
    output wire                           ev_stall_out,
    output wire                           ev_idle,
    output wire                           ev_correction
);

    localparam integer SLOT_W   = $clog2(NUM_SLOTS);
    localparam integer ADDR_W   = $clog2(OUT_ENTRIES);
    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer CHUNK_AW = K_MAX > CHUNK_W ? $clog2(K_MAX / CHUNK_W) : 1;
    localparam integer SLICE_AW = CHUNK_W > SLICE_W ? $clog2(CHUNK_W / SLICE_W) : 1;
    localparam integer SLICES_W = $clog2(K_MAX / SLICE_W + 1);
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer BASES_W  = (LAGGY != 0 ? CHUNK_W / SLICE_W : WINDOW) * BASE_W;
    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WIN_W    = $clog2(K_MAX / WIDE + 1);
    localparam integer WIN_AW   = K_MAX > WIDE ? $clog2(K_MAX / WIDE) : 1;
    localparam integer WINDOW_LAST = WINDOW - 1;
    localparam integer LOC_W    = LAGGY != 0 ? CHUNK_AW + SLICE_AW + $clog2(SLICE_W) : BASE_W;
    localparam integer LINE_B   = $clog2(LINE_W / 8);
    localparam integer NIBBLE   = WEIGHT_W <= 4 ? 1 : 0;   // two weights a byte
    // weights of a task: at most 1024 columns of K_MAX, behind less than a line; one bit more, so that all ones is never met
    localparam integer POS_W    = $clog2(K_MAX) + 12;

    // What the layer says, with DEEP in a copy of each TPPE's own: only the words that are read
    localparam [15:0] WALK_WORDS = 16'd1 << `LOAS_WALK_KERNEL | 16'd1 << `LOAS_WALK_IN_SIZE | 16'd1 << `LOAS_WALK_PITCH
                                 | 16'd1 << `LOAS_WALK_ROW_BYTES | 16'd1 << `LOAS_WALK_PAD | 16'd1 << `LOAS_WALK_BRANCH
                                 | 16'd1 << `LOAS_WALK_POOL | 16'd1 << `LOAS_WALK_STEP_X | 16'd1 << `LOAS_WALK_STEP_Y;
    localparam [15:0] BRANCH_WORDS = 16'd1 << `LOAS_WALK_KERNEL | 16'd1 << `LOAS_WALK_IN_SIZE | 16'd1 << `LOAS_WALK_PITCH
                                   | 16'd1 << `LOAS_WALK_ROW_BYTES | 16'd1 << `LOAS_WALK_PAD;
    wire [511:0]        walk;
    wire [511:0]        branch;
    wire [CHUNKS_W-1:0] chunks;
    wire                index;
    wire                carry_in;
    wire [31:0]         state_stride;

    genvar word;
    generate
        for (word = 0; word < 16; word = word + 1) begin : gen_word
            loas_copy #(.COPY(DEEP != 0 && WALK_WORDS[word] ? 1 : 0)) walk_inst (
                .clk(clk), .in(cfg_walk[32*word +: 32]), .out(walk[32*word +: 32])
            );
            loas_copy #(.COPY(DEEP != 0 && BRANCH_WORDS[word] ? 1 : 0)) branch_inst (
                .clk(clk), .in(cfg_branch[32*word +: 32]), .out(branch[32*word +: 32])
            );
        end
    endgenerate

    loas_copy #(.W(CHUNKS_W + 2), .COPY(DEEP)) layer_inst (
        .clk(clk), .in({cfg_chunks, cfg_index, cfg_carry_in}), .out({chunks, index, carry_in})
    );

    loas_copy #(.COPY(DEEP != 0 && CARRY != 0 ? 1 : 0)) stride_inst (.clk(clk), .in(cfg_state_stride), .out(state_stride));

    wire [7:0]  pool_h   = walk[32*`LOAS_WALK_POOL +: 8];
    wire [7:0]  pool_w   = walk[32*`LOAS_WALK_POOL + 8 +: 8];
    wire [7:0]  stride_y = walk[32*`LOAS_WALK_KERNEL + 16 +: 8];
    wire [7:0]  stride_x = walk[32*`LOAS_WALK_KERNEL + 24 +: 8];
    wire [31:0] step_x   = walk[32*`LOAS_WALK_STEP_X +: 32];
    wire [31:0] step_y   = walk[32*`LOAS_WALK_STEP_Y +: 32];

    // -------------------------------------------------------------------------------------------------- the task at hand
    // Each part takes what it needs as soon as it can; the next task comes when all have.
    localparam integer ROW = 0, PARAMS = 1, MASKS = 2, WEIGHTS = 3, STATE = 4, CODE = 5, JOIN = 6;
    localparam integer PARTS = 7;

    reg  [PARTS-1:0]  todo_reg;
    reg               more_reg;          // pixels of the pooling window remain
    reg  [7:0]        pool_y_reg;        // the pixel's place in it
    reg  [7:0]        pool_x_reg;
    reg  [31:0]       line_addr_reg;     // first window of the line
    reg  [17:0]       line_x_reg;
    reg  [31:0]       a_addr2_reg;
    reg  [17:0]       y2_reg;
    reg  [17:0]       x2_reg;
    reg  [31:0]       state_reg;
    reg  [31:0]       a_addr_reg;
    reg  [17:0]       y_reg;
    reg  [17:0]       x_reg;
    reg  [31:0]       params_reg;
    reg  [31:0]       masks_reg;
    reg  [31:0]       weights_reg;
    reg  [31:0]       nnz_reg;
    reg  [10:0]       cols_reg;
    reg  [SLOT_W-1:0] slot_reg;
    reg  [ADDR_W-1:0] out_addr_reg;

    wire [PARTS-1:0] ready;
    // the join may start when the row has a bank, which then is free of the task before the last
    wire [PARTS-1:0] valid = {todo_reg[JOIN] && !todo_reg[ROW], todo_reg[JOIN-1:0]};

    wire        take      = task_valid && task_ready;
    wire        next      = todo_reg == {PARTS{1'b0}} && more_reg;
    wire        pool_end  = pool_x_reg + 8'd1 == pool_w;          // of a line of the pooling window
    wire [7:0]  next_py   = pool_end ? pool_y_reg + 8'd1 : pool_y_reg;
    wire [7:0]  next_px   = pool_end ? 8'd0 : pool_x_reg + 8'd1;
    wire [31:0] next_line = line_addr_reg + step_y;

    wire free = todo_reg == {PARTS{1'b0}} && !more_reg;

    generate
        if (DEEP != 0) begin : gen_ready_cut      // a cycle late, which the scheduler waits for
            reg ready_reg;
            assign task_ready = ready_reg;
            always @(posedge clk) ready_reg <= free && !take && !rst;
        end else begin : gen_ready
            assign task_ready = free;
        end
    endgenerate

    // what of the layer decides much, taken with its first task
    reg  index_reg;
    reg  many_pixels_reg;
    wire many_pixels = walk[32*`LOAS_WALK_KERNEL +: 16] != 16'h0101 || |walk[32*`LOAS_WALK_BRANCH +: 32];

    always @(posedge clk) begin
        if (take) begin
            index_reg       <= index;
            many_pixels_reg <= many_pixels;
        end
    end

    always @(posedge clk) begin
        todo_reg <= todo_reg & ~(valid & ready);
        if (next) begin
            todo_reg   <= {PARTS{1'b1}};
            pool_y_reg <= next_py;
            pool_x_reg <= next_px;
            more_reg   <= !(next_py + 8'd1 == pool_h && next_px + 8'd1 == pool_w);
            a_addr_reg <= pool_end ? next_line : a_addr_reg + step_x;
            x_reg      <= pool_end ? line_x_reg : x_reg + {10'd0, stride_x};
            state_reg  <= state_reg + state_stride;
            if (pool_end) begin
                line_addr_reg <= next_line;
                y_reg         <= y_reg + {10'd0, stride_y};
            end
        end
        if (take) begin
            todo_reg      <= {PARTS{1'b1}};
            more_reg      <= !(pool_h == 8'd1 && pool_w == 8'd1);
            pool_y_reg    <= 8'd0;
            pool_x_reg    <= 8'd0;
            a_addr_reg    <= task_a_addr;
            line_addr_reg <= task_a_addr;
            y_reg         <= task_y;
            x_reg         <= task_x;
            line_x_reg    <= task_x;
            a_addr2_reg   <= task_a_addr2;
            y2_reg        <= task_y2;
            x2_reg        <= task_x2;
            state_reg     <= task_state;
            params_reg    <= task_params;
            masks_reg     <= task_masks;
            weights_reg   <= task_weights;
            nnz_reg       <= task_nnz;
            cols_reg      <= task_cols;
            slot_reg      <= task_slot;
            out_addr_reg  <= task_out_addr;
        end
        if (rst) begin
            todo_reg <= {PARTS{1'b0}};
            more_reg <= 1'b0;
        end
    end

    // what the output needs of the two tasks inside, by bank
    reg [1:0]         pixel_reg;       // counts pixels with all their columns: the one at hand; bit 0 is its bank
    reg               in_bank_reg;
    reg               out_bank_reg;
    reg [1:0]         rows_reg;        // tasks that have a bank
    reg [31:0]        bank_params_reg [0:1];
    reg [SLOT_W-1:0]  bank_slot_reg   [0:1];
    reg [ADDR_W-1:0]  bank_addr_reg   [0:1];
    reg [31:0]        bank_state_reg  [0:1];
    reg [1:0]         bank_first_reg;  // first pixel of the pooling window
    reg [1:0]         bank_last_reg;

    wire task_done = sum_valid && sum_ready && sum_last;
    wire row_room  = rows_reg != 2'd2;
    wire window_ready;
    wire row_taken = valid[ROW] && ready[ROW];

    assign ready[ROW] = window_ready && row_room;

    always @(posedge clk) begin
        if (row_taken && !task_done) rows_reg <= rows_reg + 2'd1;
        if (task_done && !row_taken) rows_reg <= rows_reg - 2'd1;
        if (row_taken) begin
            bank_params_reg[in_bank_reg] <= params_reg;
            bank_slot_reg[in_bank_reg]   <= slot_reg;
            bank_addr_reg[in_bank_reg]   <= out_addr_reg;
            bank_state_reg[in_bank_reg]  <= state_reg;
            bank_first_reg[in_bank_reg]  <= pool_y_reg == 8'd0 && pool_x_reg == 8'd0;
            bank_last_reg[in_bank_reg]   <= !more_reg;
            in_bank_reg                  <= !in_bank_reg;
        end
        if (task_done) out_bank_reg <= !out_bank_reg;
        if (take || next) pixel_reg <= pixel_reg + 2'd1;
        if (rst) begin
            in_bank_reg  <= 1'b0;
            out_bank_reg <= 1'b0;
            rows_reg     <= 2'd0;
            pixel_reg    <= 2'd3;
        end
    end

    // ------------------------------------------------------------------------------- one cache port for row and streams
    localparam integer PORTS = 5;
    wire [PORTS-1:0]    req_valid;
    wire [PORTS-1:0]    req_ready;
    wire [PORTS*32-1:0] req_addr;
    wire [PORTS-1:0]    grant;
    wire [PORTS-1:0]    rsp;

    wire        fetch_valid;
    wire [31:0] fetch_addr;
    wire        scout_valid;
    wire [31:0] scout_addr;

    wire [PORTS-1:0] rd_owner;        // one-hot
    reg  [PORTS-1:0] rsp_owner_reg;
    wire             port_free;

    wire        ask      = |req_valid || fetch_valid || scout_valid;
    wire        ask_hint = ~|req_valid;
    wire [31:0] ask_addr = ({32{ask_hint}} & (scout_valid ? scout_addr : fetch_addr)) | ({32{grant[0]}} & req_addr[31:0])
                         | ({32{grant[1]}} & req_addr[63:32])   | ({32{grant[2]}} & req_addr[95:64])
                         | ({32{grant[3]}} & req_addr[127:96])  | ({32{grant[4]}} & req_addr[159:128]);

    assign req_ready = port_free ? grant : {PORTS{1'b0}};
    assign rd_keep   = rd_owner[ROW];
    assign rsp       = rsp_valid ? rsp_owner_reg : {PORTS{1'b0}};

    loas_arb_rr #(.N(PORTS)) port_inst (.clk(clk), .rst(rst), .req(req_valid), .advance(port_free), .grant(grant));

    generate
        if (DEEP != 0) begin : gen_port_cut
            // the cache's answer comes late in the cycle
            loas_skid #(.W(33 + PORTS)) ask_inst (
                .clk(clk), .rst(rst), .s_valid(ask), .s_ready(port_free), .s_data({ask_hint, grant, ask_addr}),
                .m_valid(rd_valid), .m_ready(rd_ready), .m_data({rd_fetch, rd_owner, rd_addr})
            );
        end else begin : gen_port
            reg             valid_reg;
            reg             fetch_reg;
            reg [PORTS-1:0] owner_reg;
            reg [31:0]      addr_reg;
            assign port_free = !valid_reg || rd_ready;
            assign rd_valid  = valid_reg;
            assign rd_fetch  = fetch_reg;
            assign rd_owner  = owner_reg;
            assign rd_addr   = addr_reg;
            always @(posedge clk) begin
                if (port_free) begin
                    valid_reg <= ask;
                    fetch_reg <= ask_hint;
                    owner_reg <= grant;
                    addr_reg  <= ask_addr;
                end
                if (rst) valid_reg <= 1'b0;
            end
        end
    endgenerate

    always @(posedge clk) begin
        // the response comes in the cycle after the acceptance
        if (rd_valid && rd_ready) rsp_owner_reg <= rd_owner;
    end

    // ---------------------------------------------------------------------------------------------------------- the row
    wire [1:0]          complete;
    wire                ld_valid, ld_bank;
    wire [CHUNKS_W-1:0] ld_masks;
    wire                mask_rd_en, mask_rd_bank;
    wire [WIN_AW-1:0]   mask_rd_window;
    wire [WIDE-1:0]     mask_rd_data;
    wire                base_rd_en, base_rd_bank;
    wire [CHUNK_AW-1:0] base_rd_chunk;
    wire [BASES_W-1:0]  base_rd_data;
    wire                word_rd_en, word_rd_bank;
    wire [BASE_W-1:0]   word_rd_index;
    wire [T-1:0]        word_rd_data;
    wire [CHUNK_W-1:0]  word_rd_chunk;
    wire                err_row;
    wire [31:0]         err_row_addr;

    wire                pixel_valid, pixel_ready, pixel_inside, pixel_last;
    wire [31:0]         pixel_addr;
    wire [SLICES_W-1:0] pixel_slices;

    loas_window #(.SLICES_W(SLICES_W)) window_inst (
        .clk           (clk),
        .rst           (rst),
        .cfg_kh        (walk[32*`LOAS_WALK_KERNEL +: 8]),
        .cfg_kw        (walk[32*`LOAS_WALK_KERNEL + 8 +: 8]),
        .cfg_in_h      (walk[32*`LOAS_WALK_IN_SIZE +: 16]),
        .cfg_in_w      (walk[32*`LOAS_WALK_IN_SIZE + 16 +: 16]),
        .cfg_a_stride  (walk[32*`LOAS_WALK_PITCH +: 32]),
        .cfg_row_bytes (walk[32*`LOAS_WALK_ROW_BYTES +: 32]),
        .cfg_slices    (walk[32*`LOAS_WALK_PAD + 16 +: SLICES_W]),
        .cfg_branch    (|walk[32*`LOAS_WALK_BRANCH +: 32]),
        .cfg2_kh       (branch[32*`LOAS_WALK_KERNEL +: 8]),
        .cfg2_kw       (branch[32*`LOAS_WALK_KERNEL + 8 +: 8]),
        .cfg2_in_h     (branch[32*`LOAS_WALK_IN_SIZE +: 16]),
        .cfg2_in_w     (branch[32*`LOAS_WALK_IN_SIZE + 16 +: 16]),
        .cfg2_a_stride (branch[32*`LOAS_WALK_PITCH +: 32]),
        .cfg2_row_bytes(branch[32*`LOAS_WALK_ROW_BYTES +: 32]),
        .cfg2_slices   (branch[32*`LOAS_WALK_PAD + 16 +: SLICES_W]),
        .s_valid       (valid[ROW] && row_room),
        .s_ready       (window_ready),
        .s_addr        (a_addr_reg),
        .s_y           (y_reg),
        .s_x           (x_reg),
        .s_addr2       (a_addr2_reg),
        .s_y2          (y2_reg),
        .s_x2          (x2_reg),
        .m_valid       (pixel_valid),
        .m_ready       (pixel_ready),
        .m_addr        (pixel_addr),
        .m_inside      (pixel_inside),
        .m_slices      (pixel_slices),
        .m_last        (pixel_last)
    );

    // A second walk over the window runs ahead of the first, and asks the cache to fetch the lines its pixels begin with. These are
    // hints: what is not said when the first walk ends is left unsaid.
    wire                scout_pixel, scout_inside, scout_ready, scout_end, unused_scout_ready, unused_scout_last;
    wire [31:0]         pixel_hint;
    wire [SLICES_W-1:0] unused_scout_slices;

    assign scout_end = rst || (pixel_valid && pixel_ready && pixel_last);

    generate
        if (DEEP != 0) begin : gen_scout_cut      // a hint every other cycle
            reg        hint_valid_reg;
            reg [31:0] hint_reg;
            assign scout_valid = hint_valid_reg;
            assign scout_addr  = hint_reg;
            assign scout_ready = !scout_inside || !hint_valid_reg;
            always @(posedge clk) begin
                if (!hint_valid_reg) hint_reg <= pixel_hint;
                hint_valid_reg <= hint_valid_reg ? !(port_free && ~|req_valid) : scout_pixel && scout_inside;
                if (scout_end) hint_valid_reg <= 1'b0;
            end
        end else begin : gen_scout
            assign scout_valid = scout_pixel && scout_inside;
            assign scout_addr  = pixel_hint;
            assign scout_ready = !scout_valid || (port_free && ~|req_valid);
        end
    endgenerate

    loas_window #(.SLICES_W(SLICES_W)) scout_inst (
        .clk           (clk),
        .rst           (scout_end),
        .cfg_kh        (walk[32*`LOAS_WALK_KERNEL +: 8]),
        .cfg_kw        (walk[32*`LOAS_WALK_KERNEL + 8 +: 8]),
        .cfg_in_h      (walk[32*`LOAS_WALK_IN_SIZE +: 16]),
        .cfg_in_w      (walk[32*`LOAS_WALK_IN_SIZE + 16 +: 16]),
        .cfg_a_stride  (walk[32*`LOAS_WALK_PITCH +: 32]),
        .cfg_row_bytes (walk[32*`LOAS_WALK_ROW_BYTES +: 32]),
        .cfg_slices    (walk[32*`LOAS_WALK_PAD + 16 +: SLICES_W]),
        .cfg_branch    (|walk[32*`LOAS_WALK_BRANCH +: 32]),
        .cfg2_kh       (branch[32*`LOAS_WALK_KERNEL +: 8]),
        .cfg2_kw       (branch[32*`LOAS_WALK_KERNEL + 8 +: 8]),
        .cfg2_in_h     (branch[32*`LOAS_WALK_IN_SIZE +: 16]),
        .cfg2_in_w     (branch[32*`LOAS_WALK_IN_SIZE + 16 +: 16]),
        .cfg2_a_stride (branch[32*`LOAS_WALK_PITCH +: 32]),
        .cfg2_row_bytes(branch[32*`LOAS_WALK_ROW_BYTES +: 32]),
        .cfg2_slices   (branch[32*`LOAS_WALK_PAD + 16 +: SLICES_W]),
        .s_valid       (row_taken && many_pixels_reg),
        .s_ready       (unused_scout_ready),
        .s_addr        (a_addr_reg),
        .s_y           (y_reg),
        .s_x           (x_reg),
        .s_addr2       (a_addr2_reg),
        .s_y2          (y2_reg),
        .s_x2          (x2_reg),
        .m_valid       (scout_pixel),
        .m_ready       (scout_ready),
        .m_addr        (pixel_hint),
        .m_inside      (scout_inside),
        .m_slices      (unused_scout_slices),
        .m_last        (unused_scout_last)
    );

    loas_row_buffer #(
        .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .WINDOW(WINDOW), .LINE_W(LINE_W)
    ) row_inst (
        .clk           (clk),
        .rst           (rst),
        .cfg_chunks    (chunks),
        .s_valid       (pixel_valid),
        .s_ready       (pixel_ready),
        .s_addr        (pixel_addr),
        .s_inside      (pixel_inside),
        .s_slices      (pixel_slices),
        .s_last        (pixel_last),
        .free          (task_done),
        .req_valid     (req_valid[ROW]),
        .req_ready     (req_ready[ROW]),
        .req_addr      (req_addr[32*ROW +: 32]),
        .rsp_valid     (rsp[ROW]),
        .rsp_data      (rsp_data),
        .complete      (complete),
        .ld_valid      (ld_valid),
        .ld_bank       (ld_bank),
        .ld_masks      (ld_masks),
        .mask_rd_en    (mask_rd_en),
        .mask_rd_bank  (mask_rd_bank),
        .mask_rd_window(mask_rd_window),
        .mask_rd_data  (mask_rd_data),
        .base_rd_en    (base_rd_en),
        .base_rd_bank  (base_rd_bank),
        .base_rd_chunk (base_rd_chunk),
        .base_rd_data  (base_rd_data),
        .word_rd_en    (word_rd_en),
        .word_rd_bank  (word_rd_bank),
        .word_rd_index (word_rd_index),
        .word_rd_data  (word_rd_data),
        .word_rd_chunk (word_rd_chunk),
        .err           (err_row),
        .err_addr      (err_row_addr)
    );

    // ------------------------------------------------------------------------- records, masks, weights of B, and membranes
    wire               params_valid, params_ready, params_last;
    wire [63:0]        params_data;
    wire               mask_valid, mask_ready, mask_last;
    wire [WIDE-1:0]    mask_data;      // a window
    wire               weight_valid, weight_ready, weight_last;
    wire [LINE_W-1:0]  weight_data;
    wire               place_valid, place_ready, place_last;     // masks, or chunks of their index code
    wire [CHUNK_W-1:0] place_data;
    wire               state_valid;
    wire [31:0]        state_data;
    wire               err_code;
    wire [1:0]         err_code_pixel;
    wire [98:0]        no_fetch;
    wire [31:0]        nnz_bytes = NIBBLE != 0 ? (nnz_reg >> 1) + {31'd0, nnz_reg[0]} : nnz_reg;

    loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(64), .LINES(1)) params_inst (
        .clk(clk), .rst(rst),
        .s_valid(valid[PARAMS]), .s_ready(ready[PARAMS]), .s_addr(params_reg), .s_end(params_reg + {18'd0, cols_reg, 3'd0}),
        .req_valid(req_valid[PARAMS]), .req_ready(req_ready[PARAMS]), .req_addr(req_addr[32*PARAMS +: 32]),
        .fetch_valid(no_fetch[0]), .fetch_ready(1'b0), .fetch_addr(no_fetch[32:1]),
        .rsp_valid(rsp[PARAMS]), .rsp_data(rsp_data),
        .m_valid(params_valid), .m_ready(params_ready), .m_data(params_data), .m_last(params_last)
    );

    loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(CHUNK_W), .LINES(2), .AHEAD(4)) masks_inst (
        .clk(clk), .rst(rst),
        .s_valid(valid[MASKS]), .s_ready(ready[MASKS]), .s_addr(masks_reg), .s_end(weights_reg),
        .req_valid(req_valid[MASKS]), .req_ready(req_ready[MASKS]), .req_addr(req_addr[32*MASKS +: 32]),
        .fetch_valid(fetch_valid), .fetch_ready(port_free && ~|req_valid && !scout_valid), .fetch_addr(fetch_addr),
        .rsp_valid(rsp[MASKS]), .rsp_data(rsp_data),
        .m_valid(place_valid), .m_ready(place_ready), .m_data(place_data), .m_last(place_last)
    );

    // bitmask chunks to windows; a column's last window may have fewer chunks
    wire            plain_valid, plain_ready, plain_take;
    wire            plain_last;
    wire [WIDE-1:0] plain_data;

    generate
        if (WINDOW == 1) begin : gen_plain
            assign plain_valid = place_valid;
            assign plain_take  = plain_ready;
            assign plain_last  = place_last;
            assign plain_data  = place_data;
        end else begin : gen_gather
            reg  [WIDE-CHUNK_W-1:0] part_reg;     // chunks of the window so far, zero behind them
            reg  [WINDOW_B-1:0]     fill_reg;
            reg  [CHUNKS_W-1:0]     chunk_reg;    // of the column
            wire                    col_end = chunk_reg + 1'b1 == chunks;
            wire                    full    = &fill_reg || col_end || place_last;   // an early end is for the join to see
            assign plain_valid = place_valid && full;
            assign plain_take  = plain_ready || !full;
            assign plain_last  = place_last;
            assign plain_data  = {{CHUNK_W{1'b0}}, part_reg} | ({{(WIDE-CHUNK_W){1'b0}}, place_data} << (fill_reg * CHUNK_W));
            always @(posedge clk) begin
                if (place_valid && plain_take && !index_reg) begin
                    part_reg  <= full ? {(WIDE-CHUNK_W){1'b0}} : plain_data[WIDE-CHUNK_W-1:0];
                    fill_reg  <= full ? {WINDOW_B{1'b0}} : fill_reg + 1'b1;
                    chunk_reg <= col_end ? {CHUNKS_W{1'b0}} : chunk_reg + 1'b1;
                end
                if (rst) begin
                    part_reg  <= {(WIDE-CHUNK_W){1'b0}};
                    fill_reg  <= {WINDOW_B{1'b0}};
                    chunk_reg <= {CHUNKS_W{1'b0}};
                end
            end
        end

        if (INDEX_RATE != 0) begin : gen_index
            wire              code_ready, bytes_ready, code_valid, code_last;
            wire [WIDE-1:0]   code_data;
            wire [CHUNKS_W:0] rounded = {1'b0, chunks} + WINDOW_LAST[CHUNKS_W:0];
            loas_index_decode #(.CHUNK_W(WIDE), .RATE(INDEX_RATE), .ITEM_W(CHUNK_W), .K_MAX(K_MAX)) decode_inst (
                .clk(clk), .rst(rst), .cfg_chunks(rounded[WINDOW_B +: WIN_W]),
                .s_valid(valid[CODE] && index_reg), .s_ready(code_ready), .s_cols(cols_reg), .s_nnz(nnz_reg),
                .s_empty(masks_reg == weights_reg), .s_tag(pixel_reg),
                .in_valid(place_valid && index_reg), .in_ready(bytes_ready), .in_data(place_data), .in_last(place_last),
                .m_valid(code_valid), .m_ready(mask_ready), .m_data(code_data), .m_last(code_last), .err(err_code),
                .err_tag(err_code_pixel)
            );
            assign ready[CODE] = code_ready || !index_reg;
            assign place_ready = index_reg ? bytes_ready : plain_take;
            assign mask_valid  = index_reg ? code_valid : plain_valid;
            assign mask_data   = index_reg ? code_data : plain_data;
            assign mask_last   = index_reg ? code_last : plain_last;
            wire unused_rounded = &{1'b0, rounded};
        end else begin : gen_no_index
            assign ready[CODE] = 1'b1;
            assign place_ready = plain_take;
            assign mask_valid  = plain_valid;
            assign mask_data   = plain_data;
            assign mask_last   = plain_last;
            assign err_code       = 1'b0;
            assign err_code_pixel = 2'd0;
            wire unused_index = index_reg;
        end
        assign plain_ready = mask_ready;

        if (CARRY != 0) begin : gen_carry
            wire unused_last;
            wire reader_ready;
            loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(32), .LINES(1)) state_inst (
                .clk(clk), .rst(rst),
                .s_valid(valid[STATE] && carry_in), .s_ready(reader_ready), .s_addr(state_reg),
                .s_end(state_reg + {19'd0, cols_reg, 2'd0}),
                .req_valid(req_valid[STATE]), .req_ready(req_ready[STATE]), .req_addr(req_addr[32*STATE +: 32]),
                .fetch_valid(no_fetch[66]), .fetch_ready(1'b0), .fetch_addr(no_fetch[98:67]),
                .rsp_valid(rsp[STATE]), .rsp_data(rsp_data),
                .m_valid(state_valid), .m_ready(sum_valid && sum_ready), .m_data(state_data), .m_last(unused_last)
            );
            assign ready[STATE] = reader_ready || !carry_in;
        end else begin : gen_no_carry
            assign ready[STATE]                  = 1'b1;
            assign req_valid[STATE]              = 1'b0;
            assign req_addr[32*STATE +: 32]      = 32'd0;
            assign no_fetch[98:66]               = 33'd0;
            assign state_valid                   = 1'b0;
            assign state_data                    = 32'd0;
            wire unused_state = &{1'b0, req_ready[STATE], rsp[STATE]};
        end
    endgenerate

    wire              line_valid, line_ready, line_last;
    wire [LINE_W-1:0] line_data;

    loas_cut #(.W(LINE_W + 1), .CUT(DEEP)) line_cut_inst (
        .clk(clk), .rst(rst), .s_valid(line_valid), .s_ready(line_ready), .s_data({line_last, line_data}),
        .m_valid(weight_valid), .m_ready(weight_ready), .m_data({weight_last, weight_data})
    );

    loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(LINE_W), .LINES(2)) weights_inst (
        .clk(clk), .rst(rst),
        .s_valid(valid[WEIGHTS]), .s_ready(ready[WEIGHTS]), .s_addr(weights_reg), .s_end(weights_reg + nnz_bytes),
        .req_valid(req_valid[WEIGHTS]), .req_ready(req_ready[WEIGHTS]), .req_addr(req_addr[32*WEIGHTS +: 32]),
        .fetch_valid(no_fetch[33]), .fetch_ready(1'b0), .fetch_addr(no_fetch[65:34]),
        .rsp_valid(rsp[WEIGHTS]), .rsp_data(rsp_data),
        .m_valid(line_valid), .m_ready(line_ready), .m_data(line_data), .m_last(line_last)
    );

    // The join is ready when its matches are found to be over; with DEEP streams and decoder do not wait for that in the same cycle.
    wire            join_b_valid, join_b_ready, join_b_last;
    wire [WIDE-1:0] join_b_data;

    loas_cut #(.W(WIDE + 1), .CUT(DEEP)) mask_cut_inst (
        .clk(clk), .rst(rst), .s_valid(mask_valid), .s_ready(mask_ready), .s_data({mask_last, mask_data}),
        .m_valid(join_b_valid), .m_ready(join_b_ready), .m_data({join_b_last, join_b_data})
    );

    // --------------------------------------------------------------------------------------------------------- the join
    wire                err_join, err_join_bank;
    wire                join_stall_a, join_blocked, join_idle, join_stall_b;

    wire [POS_W-1:0] start = {{(POS_W-LINE_B-NIBBLE){1'b0}}, weights_reg[LINE_B-1:0], {NIBBLE{1'b0}}};
    wire             huge  = nnz_reg[31:POS_W-1] != {(33-POS_W){1'b0}};
    wire [POS_W-1:0] stop  = huge ? {POS_W{1'b1}} : start + nnz_reg[POS_W-1:0];

    wire               end_valid, end_ready, end_last;      // a column's sums
    wire               row_wait;
    wire [T*ACC_W-1:0] end_sum;

    generate
        if (SEQUENTIAL != 0) begin : gen_sequential
            loas_sparten #(
                .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .K_MAX(K_MAX),
                .LINE_W(LINE_W), .POS_W(POS_W)
            ) rival_inst (
                .clk             (clk),
                .rst             (rst),
                .cfg_chunks      (chunks),
                .s_valid         (valid[JOIN]),
                .s_ready         (ready[JOIN]),
                .s_cols          (cols_reg),
                .s_start         (start),
                .s_end           (stop),
                .complete        (complete),
                .free            (task_done),
                .mask_rd_en      (mask_rd_en),
                .mask_rd_bank    (mask_rd_bank),
                .mask_rd_window  (mask_rd_window),
                .mask_rd_data    (mask_rd_data),
                .word_rd_en      (word_rd_en),
                .word_rd_bank    (word_rd_bank),
                .word_rd_index   (word_rd_index),
                .word_rd_chunk   (word_rd_chunk),
                .b_valid         (join_b_valid),
                .b_ready         (join_b_ready),
                .b_data          (join_b_data),
                .b_last          (join_b_last),
                .w_valid         (weight_valid),
                .w_ready         (weight_ready),
                .w_data          (weight_data),
                .w_last          (weight_last),
                .m_valid         (end_valid),
                .m_ready         (end_ready),
                .m_sum           (end_sum),
                .m_last          (end_last),
                .err             (err_join),
                .err_bank        (err_join_bank),
                .ev_match        (ev_match),
                .ev_empty        (ev_empty),
                .ev_stall_a      (join_stall_a),
                .ev_stall_b      (join_stall_b),
                .ev_stall_weight (ev_stall_weight),
                .ev_blocked      (join_blocked),
                .ev_idle         (join_idle)
            );
            assign base_rd_en    = 1'b0;
            assign base_rd_bank  = 1'b0;
            assign base_rd_chunk = {CHUNK_AW{1'b0}};
            assign row_wait      = 1'b0;
            assign ev_correction = 1'b0;
            // words go by the chunk; prefix sums of A are made where they are needed, and a row is taken when it is complete
            wire unused_row = &{1'b0, word_rd_data, base_rd_data, ld_valid, ld_bank, ld_masks};
        end else begin : gen_parallel
            wire                ent_valid, ent_ready, ent_match, ent_col_last, ent_task_last, ent_bank;
            wire [WEIGHT_W-1:0] ent_weight;
            wire [LOC_W-1:0]    ent_loc;
            wire [WINDOW*BASE_W-1:0] window_base;

            loas_join #(
                .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .K_MAX(K_MAX), .LAGGY(LAGGY),
                .DEEP(DEEP), .LINE_W(LINE_W), .POS_W(POS_W), .LOC_W(LOC_W)
            ) join_inst (
                .clk             (clk),
                .rst             (rst),
                .cfg_chunks      (chunks),
                .s_valid         (valid[JOIN]),
                .s_ready         (ready[JOIN]),
                .s_cols          (cols_reg),
                .s_start         (start),
                .s_end           (stop),
                .complete        (complete),
                .ld_valid        (ld_valid),
                .ld_bank         (ld_bank),
                .ld_masks        (ld_masks),
                .mask_rd_en      (mask_rd_en),
                .mask_rd_bank    (mask_rd_bank),
                .mask_rd_window  (mask_rd_window),
                .mask_rd_data    (mask_rd_data),
                .mask_rd_base    (window_base),
                .b_valid         (join_b_valid),
                .b_ready         (join_b_ready),
                .b_data          (join_b_data),
                .b_last          (join_b_last),
                .w_valid         (weight_valid),
                .w_ready         (weight_ready),
                .w_data          (weight_data),
                .w_last          (weight_last),
                .e_valid         (ent_valid),
                .e_ready         (ent_ready),
                .e_weight        (ent_weight),
                .e_match         (ent_match),
                .e_col_last      (ent_col_last),
                .e_task_last     (ent_task_last),
                .e_bank          (ent_bank),
                .e_loc           (ent_loc),
                .err             (err_join),
                .err_bank        (err_join_bank),
                .ev_match        (ev_match),
                .ev_empty        (ev_empty),
                .ev_stall_a      (join_stall_a),
                .ev_stall_b      (join_stall_b),
                .ev_stall_weight (ev_stall_weight),
                .ev_blocked      (join_blocked),
                .ev_idle         (join_idle)
            );

            if (LAGGY != 0) begin : gen_laggy
                assign window_base = {WINDOW*BASE_W{1'b0}};   // the sums of slices go to the back
                loas_join_laggy #(
                    .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .K_MAX(K_MAX),
                    .FIFO_DEPTH(FIFO_DEPTH), .DEEP(DEEP), .LOC_W(LOC_W)
                ) back_inst (
                    .clk           (clk),
                    .rst           (rst),
                    .s_valid       (ent_valid),
                    .s_ready       (ent_ready),
                    .s_weight      (ent_weight),
                    .s_match       (ent_match),
                    .s_col_last    (ent_col_last),
                    .s_task_last   (ent_task_last),
                    .s_bank        (ent_bank),
                    .s_loc         (ent_loc),
                    .complete      (complete),
                    .base_rd_en    (base_rd_en),
                    .base_rd_bank  (base_rd_bank),
                    .base_rd_chunk (base_rd_chunk),
                    .base_rd_data  (base_rd_data),
                    .word_rd_en    (word_rd_en),
                    .word_rd_bank  (word_rd_bank),
                    .word_rd_index (word_rd_index),
                    .word_rd_data  (word_rd_data),
                    .m_valid       (end_valid),
                    .m_ready       (end_ready),
                    .m_sum         (end_sum),
                    .m_last        (end_last),
                    .ev_wait       (row_wait),
                    .ev_correction (ev_correction)
                );
            end else begin : gen_fast
                loas_join_fast #(.T(T), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .LOC_W(LOC_W)) back_inst (
                    .clk           (clk),
                    .rst           (rst),
                    .s_valid       (ent_valid),
                    .s_ready       (ent_ready),
                    .s_weight      (ent_weight),
                    .s_match       (ent_match),
                    .s_col_last    (ent_col_last),
                    .s_task_last   (ent_task_last),
                    .s_bank        (ent_bank),
                    .s_loc         (ent_loc),
                    .word_rd_en    (word_rd_en),
                    .word_rd_bank  (word_rd_bank),
                    .word_rd_index (word_rd_index),
                    .word_rd_data  (word_rd_data),
                    .m_valid       (end_valid),
                    .m_ready       (end_ready),
                    .m_sum         (end_sum),
                    .m_last        (end_last)
                );
                assign window_base   = base_rd_data;
                assign base_rd_en    = mask_rd_en;
                assign base_rd_bank  = mask_rd_bank;
                wire [CHUNK_AW+WINDOW_B:0] first_chunk = {{(CHUNK_AW+WINDOW_B+1-WIN_AW){1'b0}}, mask_rd_window} << WINDOW_B;
                assign base_rd_chunk = first_chunk[CHUNK_AW-1:0];
                wire unused_first = &{1'b0, first_chunk};
                assign row_wait      = 1'b0;
                assign ev_correction = 1'b0;
            end
            wire unused_chunk = &{1'b0, word_rd_chunk};
        end
    endgenerate

    // --------------------------------------------------------------------------------------- sums meet their records
    wire               col_valid, col_ready, col_last;
    wire [T*ACC_W-1:0] col_sum;

    loas_cut #(.W(T*ACC_W + 1), .CUT(DEEP)) sum_cut_inst (
        .clk(clk), .rst(rst), .s_valid(end_valid), .s_ready(end_ready), .s_data({end_last, end_sum}),
        .m_valid(col_valid), .m_ready(col_ready), .m_data({col_last, col_sum})
    );

    wire known = params_valid && (state_valid || !carry_in);

    assign sum_valid     = col_valid && known;
    assign col_ready     = sum_ready && known;
    assign params_ready  = sum_ready && sum_valid;
    assign sum_data      = col_sum;
    assign sum_bias      = params_data[MEM_W-1:0];
    assign sum_threshold = params_data[32 +: MEM_W];
    assign sum_state      = carry_in ? state_data : 32'd0;
    assign sum_state_addr = bank_state_reg[out_bank_reg];
    assign sum_pool_first = bank_first_reg[out_bank_reg];
    assign sum_pool_last  = bank_last_reg[out_bank_reg];
    assign sum_last      = col_last;
    assign sum_slot      = bank_slot_reg[out_bank_reg];
    assign sum_out_addr  = bank_addr_reg[out_bank_reg];

    // ---------------------------------------------------------------------------------------------------------- errors
    wire record_bad;
    wire masks_bad = valid[MASKS] && (masks_reg > weights_reg || (masks_reg == weights_reg && !index_reg));

    generate
        if (MEM_W < 32) begin : gen_narrow
            wire [32-MEM_W:0] bias_top      = params_data[31:MEM_W-1];
            wire [32-MEM_W:0] threshold_top = params_data[63:32+MEM_W-1];
            assign record_bad = params_valid && !((&bias_top || !(|bias_top)) && (&threshold_top || !(|threshold_top)));
        end else begin : gen_wide
            assign record_bad = 1'b0;
        end
    endgenerate

    wire [31:0] rest_addr = err_code && err_code_pixel != pixel_reg ? bank_params_reg[err_code_pixel[0]] : params_reg;

    generate
        if (DEEP != 0) begin : gen_error_cut
            // what may be said is kept apart, and chosen from a cycle later
            reg        row_bad_reg, join_bad_reg, record_bad_reg, rest_bad_reg;
            reg [31:0] row_at_reg, join_at_reg, record_at_reg, rest_at_reg;
            assign err_fiber_a = row_bad_reg;
            assign err_fiber_b = !row_bad_reg && (join_bad_reg || record_bad_reg || rest_bad_reg);
            assign err_addr    = row_bad_reg ? row_at_reg : join_bad_reg ? join_at_reg : record_bad_reg ? record_at_reg : rest_at_reg;
            always @(posedge clk) begin
                row_bad_reg    <= err_row && !rst;
                join_bad_reg   <= err_join && !rst;
                record_bad_reg <= record_bad && !rst;
                rest_bad_reg   <= (masks_bad || err_code) && !rst;
                row_at_reg     <= err_row_addr;
                join_at_reg    <= bank_params_reg[err_join_bank];
                record_at_reg  <= bank_params_reg[out_bank_reg];
                rest_at_reg    <= rest_addr;
            end
        end else begin : gen_error
            assign err_fiber_a = err_row;
            assign err_fiber_b = !err_row && (err_join || record_bad || masks_bad || err_code);
            assign err_addr    = err_row    ? err_row_addr
                               : err_join   ? bank_params_reg[err_join_bank]
                               : record_bad ? bank_params_reg[out_bank_reg]
                               : rest_addr;
        end
    endgenerate

    // ---------------------------------------------------------------------------------------------------------- events
    // a task that cannot yet enter the join waits for a row bank
    wire waiting = join_idle && todo_reg[JOIN];
    // FIFOs that are full while the row is there are full because sums could not leave, or waited for their record
    wire record  = join_blocked && !row_wait && !known;

    assign ev_stall_a     = join_stall_a || waiting;
    assign ev_stall_b     = join_stall_b || record;
    assign ev_stall_laggy = join_blocked && row_wait;
    assign ev_stall_out   = join_blocked && !row_wait && known;
    assign ev_idle        = join_idle && !todo_reg[JOIN];

    wire unused_ok = &{1'b0, params_last, nnz_reg, no_fetch, walk, branch};

endmodule

`resetall
