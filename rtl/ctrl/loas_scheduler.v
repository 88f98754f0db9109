// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Walks a layer's tiles, blocks and rows and hands out tasks to the TPPEs.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Problem: a task is a row and a block of columns. To keep every TPPE busy there must always be a task at hand; to use
// the cache well all rows of a tile meet one block before the next block is touched.
//
// Contract: `layer_start` (pulse, cfg_* stable from then on) starts the walk
//     for each tile of cfg_tile_rows rows: for each block: for each row of the tile: one task,
// and `done` is high from the acceptance of the last task to the next start. Up to one task a cycle; tasks go round
// robin to TPPEs whose task_ready is high. Row r of the layer uses slot r mod (2 cfg_tile_rows) of the output buffer:
// its first task waits until the slot is free, alloc_* pulses before that task is offered, slot_free_* gives it back. A
// row is an output pixel, or with pooling the pixels of a pooling window: the task says where its (first) window
// begins, in the map and in that of the branch (loas_row_walk), and where the membranes of its columns are. Addresses
// are modulo 2^32; what is read beyond the window of memory is found there.
//
// The block table is read ahead of the walk through the cache port (a line buffer and a FIFO of four entries), and
// lines of the weight blocks are fetched ahead: from b_base on, anew for each tile, at most half the cache beyond the
// beginning of the block being handed out; what the walk has left behind is not fetched any more, but for a line at
// most. Reads of the table go first.
//
// Edges: an entry that cannot be right raises `err` (a level, the walk stops before that block) with the address of the
// block's records: bit 31 or alignment of a pointer, order b_base <= params, params + records <= masks <= weights,
// weights + nnz <= b_end.
module loas_scheduler #(
    parameter integer NUM_TPPES   = 16,
    parameter integer CHUNK_W     = 128,
    parameter integer SLICE_W     = 16,
    parameter integer WEIGHT_W    = 8,
    parameter integer LINE_W      = 1024,   // one line buffer of this width
    parameter integer CACHE_LINES = 2048,
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,     // one flip-flop each
    // 1: an entry of the block table is judged a cycle later, for the slow wires of an FPGA
    parameter integer DEEP        = 0
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire                           layer_start,
    output wire                           done,
    input  wire [23:0]                    cfg_m,
    input  wire [16:0]                    cfg_n,
    // the walk over the rows, see loas_row_walk
    input  wire [511:0]                   cfg_walk,       // words of the walk record, and of the branch's
    input  wire [511:0]                   cfg_branch,
    input  wire [31:0]                    cfg_state,      // membranes of the first row
    input  wire [31:0]                    cfg_block_table,
    input  wire [31:0]                    cfg_b_base,
    input  wire [31:0]                    cfg_b_end,
    input  wire [10:0]                    cfg_block_cols,
    input  wire [7:0]                     cfg_tile_rows,
    input  wire [16:0]                    cfg_entries,    // output buffer entries of a row
    input  wire                           cfg_readout,

    // cache port
    output wire                           rd_valid,
    input  wire                           rd_ready,
    output wire [31:0]                    rd_addr,
    output wire                           rd_fetch,
    input  wire                           rsp_valid,
    input  wire [LINE_W-1:0]              rsp_data,

    // output buffer slots
    output wire                           alloc_valid,
    output wire [$clog2(NUM_SLOTS)-1:0]   alloc_slot,
    input  wire                           slot_free_valid,
    input  wire [$clog2(NUM_SLOTS)-1:0]   slot_free,

    // tasks
    output wire [NUM_TPPES-1:0]           task_valid,
    input  wire [NUM_TPPES-1:0]           task_ready,
    output wire [31:0]                    task_a_addr,
    output wire [17:0]                    task_y,
    output wire [17:0]                    task_x,
    output wire [31:0]                    task_a_addr2,   // of the branch
    output wire [17:0]                    task_y2,
    output wire [17:0]                    task_x2,
    output wire [31:0]                    task_state,
    output wire [31:0]                    task_params,
    output wire [31:0]                    task_masks,
    output wire [31:0]                    task_weights,
    output wire [31:0]                    task_nnz,
    output wire [10:0]                    task_cols,
    output wire [$clog2(NUM_SLOTS)-1:0]   task_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] task_out_addr,

    output wire                           err,
    output wire [31:0]                    err_addr
);

    localparam integer LINE_B    = $clog2(LINE_W / 8);
    localparam integer CHUNK_B   = $clog2(CHUNK_W / 8);
    localparam integer PARAM_B   = CHUNK_B > 3 ? CHUNK_B : 3;
    localparam integer SLICE_B   = $clog2(SLICE_W);
    localparam integer SLOT_W    = $clog2(NUM_SLOTS);
    localparam integer ADDR_W    = $clog2(OUT_ENTRIES);
    localparam integer FAR_LINES = CACHE_LINES / 2;
    localparam integer ENTRIES   = LINE_W / 128;  // block table entries of a line
    localparam integer BLOCK_W   = 32 * 3 + 28 + 11 + 2;

    reg active_reg;

    // ---------------------------------------------------------------------------------------------- block table reader
    reg         walk_reg;          // entries remain to be read
    reg         line_valid_reg;
    reg         line_wait_reg;     // a read is accepted, its line has not come
    reg [31-LINE_B:0] line_tag_reg;
    reg [LINE_W-1:0]  line_reg;
    reg [31:0]  entry_addr_reg;
    reg [16:0]  cols_left_reg;     // columns from this entry's block on
    reg [23:0]  rows_left_reg;     // rows from this tile on

    reg         raw_valid_reg;     // an entry taken from the line, to be checked
    reg [127:0] raw_reg;
    reg [10:0]  raw_cols_reg;
    reg         raw_last_reg;      // last block of the tile
    reg         raw_end_reg;       // last block of the last tile

    wire line_hit   = line_valid_reg & (line_tag_reg == entry_addr_reg[31:LINE_B]);
    wire block_last = cols_left_reg <= {6'd0, cfg_block_cols};
    wire tile_last  = rows_left_reg <= {16'd0, cfg_tile_rows};
    wire raw_taken;
    wire entry_take = walk_reg & line_hit & (~raw_valid_reg | raw_taken);

    wire [127:0] entry;
    generate
        if (ENTRIES > 1) begin : gen_entry_select
            assign entry = line_reg[{entry_addr_reg[LINE_B-1:4], 7'd0} +: 128];
        end else begin : gen_entry_line
            assign entry = line_reg[127:0];
        end
    endgenerate

    // checks of the entry in raw_reg
    wire [31:0] raw_params  = raw_reg[31:0];
    wire [31:0] raw_masks   = raw_reg[63:32];
    wire [31:0] raw_weights = raw_reg[95:64];
    wire [31:0] raw_nnz     = raw_reg[127:96];
    wire [27:0] raw_bytes   = WEIGHT_W <= 4 ? ({1'b0, raw_nnz[27:1]} + {27'd0, raw_nnz[0]}) : raw_nnz[27:0];
    wire        raw_bad     = raw_params[31] | raw_masks[31] | raw_weights[31]
                            | (|raw_params[PARAM_B-1:0]) | (|raw_masks[CHUNK_B-1:0]) | (|raw_weights[CHUNK_B-1:0])
                            | (raw_nnz > 32'h0800_0000)
                            | (raw_params < cfg_b_base)
                            | (raw_params + {18'd0, raw_cols_reg, 3'd0} > raw_masks)
                            | (raw_masks > raw_weights)
                            | (raw_weights + {4'd0, raw_bytes} > cfg_b_end);

    wire fifo_ready;
    wire raw_judged;    // raw_valid_reg and what is said of it
    wire raw_refused;
    assign raw_taken = raw_judged & ~raw_refused & fifo_ready;
    assign err       = raw_judged & raw_refused;
    assign err_addr  = raw_params;

    generate
        if (DEEP != 0) begin : gen_judge_cut      // an entry every other cycle
            reg judged_reg, refused_reg;
            assign raw_judged  = raw_valid_reg & judged_reg;
            assign raw_refused = refused_reg;
            always @(posedge clk) begin
                judged_reg  <= raw_valid_reg & ~raw_taken & ~rst;
                refused_reg <= raw_bad;
            end
        end else begin : gen_judge
            assign raw_judged  = raw_valid_reg;
            assign raw_refused = raw_bad;
        end
    endgenerate

    wire        table_want = walk_reg & ~line_hit & ~line_wait_reg & ~err;
    wire        table_accept;

    always @(posedge clk) begin
        if (raw_taken) raw_valid_reg <= 1'b0;
        if (table_accept) begin
            line_wait_reg  <= 1'b1;
            line_valid_reg <= 1'b0;
            line_tag_reg   <= entry_addr_reg[31:LINE_B];
        end
        if (rsp_valid & line_wait_reg) begin
            line_reg       <= rsp_data;
            line_wait_reg  <= 1'b0;
            line_valid_reg <= 1'b1;
        end
        if (entry_take) begin
            raw_valid_reg <= 1'b1;
            raw_reg       <= entry;
            raw_cols_reg  <= block_last ? cols_left_reg[10:0] : cfg_block_cols;
            raw_last_reg  <= block_last;
            raw_end_reg   <= block_last & tile_last;
            if (block_last) begin
                entry_addr_reg <= cfg_block_table;
                cols_left_reg  <= cfg_n;
                rows_left_reg  <= rows_left_reg - {16'd0, cfg_tile_rows};
                if (tile_last) walk_reg <= 1'b0;
            end else begin
                entry_addr_reg <= {entry_addr_reg[31] | (&entry_addr_reg[30:4]), entry_addr_reg[30:4] + 27'd1, 4'd0};
                cols_left_reg  <= cols_left_reg - {6'd0, cfg_block_cols};
            end
        end
        if (layer_start) begin
            walk_reg       <= 1'b1;
            entry_addr_reg <= cfg_block_table;
            cols_left_reg  <= cfg_n;
            rows_left_reg  <= cfg_m;
            line_valid_reg <= 1'b0;
        end
        if (rst) begin
            walk_reg       <= 1'b0;
            line_valid_reg <= 1'b0;
            line_wait_reg  <= 1'b0;
            raw_valid_reg  <= 1'b0;
        end
    end

    wire               block_valid;
    wire               block_pop;
    wire [BLOCK_W-1:0] block;
    wire [2:0]         block_level;
    loas_fifo #(
        .W     (BLOCK_W),
        .DEPTH (4)
    ) block_fifo_inst (
        .clk     (clk),
        .rst     (rst),
        .s_valid (raw_judged & ~raw_refused),
        .s_ready (fifo_ready),
        .s_data  ({raw_end_reg, raw_last_reg, raw_cols_reg, raw_nnz[27:0], raw_weights, raw_masks, raw_params}),
        .m_valid (block_valid),
        .m_ready (block_pop),
        .m_data  (block),
        .level   (block_level)
    );
    wire [31:0] block_params = block[31:0];
    wire [10:0] block_cols   = block[134:124];
    wire        block_is_last = block[135];
    wire        block_is_end  = block[136];

    // -------------------------------------------------------------------------------------------------- walk and tasks
    reg                 first_block_reg;  // block 0 of the tile: slots are taken
    reg                 odd_reg;          // tile uses the upper half of the slots
    reg [23:0]          m_left_reg;       // rows from this tile on
    reg [7:0]           row_reg;          // row in the tile
    reg [SLOT_W-1:0]    slot_reg;
    reg [ADDR_W-1:0]    tile_out_reg;     // output buffer address of the tile's first row
    reg [ADDR_W-1:0]    row_out_reg;      // of this row
    reg [ADDR_W-1:0]    block_off_reg;    // of this block in a row
    reg [31:0]          tile_state_reg;   // membranes of the tile's first row
    reg [31:0]          row_state_reg;    // of this row
    reg [31:0]          block_state_reg;  // of this block in a row
    reg [NUM_SLOTS-1:0] slot_busy_reg;

    reg [NUM_TPPES-1:0] sel_reg;          // which TPPE gets the task that is up; none: no task is up
    reg [31:0]          t_a_reg;
    reg [17:0]          t_y_reg;
    reg [17:0]          t_x_reg;
    reg [31:0]          t_a2_reg;
    reg [17:0]          t_y2_reg;
    reg [17:0]          t_x2_reg;
    reg [31:0]          t_state_reg;
    reg [31:0]          t_params_reg;
    reg [31:0]          t_masks_reg;
    reg [31:0]          t_weights_reg;
    reg [27:0]          t_nnz_reg;
    reg [10:0]          t_cols_reg;
    reg [SLOT_W-1:0]    t_slot_reg;
    reg [ADDR_W-1:0]    t_out_reg;

    wire [NUM_TPPES-1:0] request = task_ready & ~sel_reg;
    wire [NUM_TPPES-1:0] grant;
    wire accepted = |(sel_reg & task_ready);
    wire walk_ready;         // the walk stands at the row of the next task
    wire walk2_ready;
    wire load     = block_valid & walk_ready & (|request) & ((sel_reg == {NUM_TPPES{1'b0}}) | accepted)
                  & ~(first_block_reg & slot_busy_reg[slot_reg]);

    loas_arb_rr #(
        .N(NUM_TPPES)
    ) arb_inst (
        .clk     (clk),
        .rst     (rst),
        .req     (request),
        .advance (load),
        .grant   (grant)
    );

    wire [7:0]  tile_rows = m_left_reg <= {16'd0, cfg_tile_rows} ? m_left_reg[7:0] : cfg_tile_rows;
    wire        row_last  = row_reg + 8'd1 == tile_rows;
    wire [SLOT_W-1:0] slot_half = cfg_tile_rows[SLOT_W-1:0];
    wire [ADDR_W-1:0] row_out_inc = row_out_reg + cfg_entries[ADDR_W-1:0];
    wire [16:0] block_step = cfg_readout ? {6'd0, cfg_block_cols} : {6'd0, cfg_block_cols} >> SLICE_B;
    wire        tile_change = load & row_last & block_is_last;

    wire [31:0] row_addr, row_addr2;
    wire [17:0] row_y, row_y2;
    wire [17:0] row_x, row_x2;
    wire        step_now = load & (~row_last | block_is_last);
    wire        back_now = load & row_last & ~block_is_last;
    wire        row_step, row_mark, row_back, row_ready;
    wire [31:0] next_state = row_state_reg + cfg_walk[32*`LOAS_WALK_STATE_STEP +: 32];

    generate
        if (DEEP != 0) begin : gen_walk_cut       // the walk goes on a cycle after the task that it gave the row of
            reg step_reg, tile_reg, back_reg;
            assign row_step   = step_reg;
            assign row_mark   = layer_start | tile_reg;
            assign row_back   = back_reg;
            assign walk_ready = row_ready & ~step_reg & ~back_reg;
            always @(posedge clk) begin
                step_reg <= step_now & ~rst;
                tile_reg <= tile_change & ~rst;
                back_reg <= back_now & ~rst;
            end
        end else begin : gen_walk
            assign row_step   = step_now;
            assign row_mark   = layer_start | tile_change;
            assign row_back   = back_now;
            assign walk_ready = row_ready;
        end
    endgenerate

    loas_row_walk row_walk_inst (
        .clk             (clk),
        .cfg_out_h       (cfg_walk[32*`LOAS_WALK_OUT_SIZE +: 16]),
        .cfg_out_w       (cfg_walk[32*`LOAS_WALK_OUT_SIZE + 16 +: 16]),
        .cfg_pool_h      (cfg_walk[32*`LOAS_WALK_POOL +: 8]),
        .cfg_pool_w      (cfg_walk[32*`LOAS_WALK_POOL + 8 +: 8]),
        .cfg_stride_y    (cfg_walk[32*`LOAS_WALK_KERNEL + 16 +: 8]),
        .cfg_stride_x    (cfg_walk[32*`LOAS_WALK_KERNEL + 24 +: 8]),
        .cfg_pad_top     (cfg_walk[32*`LOAS_WALK_PAD +: 8]),
        .cfg_pad_left    (cfg_walk[32*`LOAS_WALK_PAD + 8 +: 8]),
        .cfg_start       (cfg_walk[32*`LOAS_WALK_START +: 32]),
        .cfg_step_x      (cfg_walk[32*`LOAS_WALK_STEP_X +: 32]),
        .cfg_step_y      (cfg_walk[32*`LOAS_WALK_STEP_Y +: 32]),
        .cfg_image_bytes (cfg_walk[32*`LOAS_WALK_IMAGE_BYTES +: 32]),
        .start           (layer_start),
        .step            (row_step),
        .mark            (row_mark),
        .back            (row_back),
        .ready           (row_ready),
        .addr            (row_addr),
        .y               (row_y),
        .x               (row_x)
    );

    // the map of the branch has as many output pixels, and no pooling: it is ready whenever the first one is
    loas_row_walk branch_walk_inst (
        .clk             (clk),
        .cfg_out_h       (cfg_branch[32*`LOAS_WALK_OUT_SIZE +: 16]),
        .cfg_out_w       (cfg_branch[32*`LOAS_WALK_OUT_SIZE + 16 +: 16]),
        .cfg_pool_h      (cfg_branch[32*`LOAS_WALK_POOL +: 8]),
        .cfg_pool_w      (cfg_branch[32*`LOAS_WALK_POOL + 8 +: 8]),
        .cfg_stride_y    (cfg_branch[32*`LOAS_WALK_KERNEL + 16 +: 8]),
        .cfg_stride_x    (cfg_branch[32*`LOAS_WALK_KERNEL + 24 +: 8]),
        .cfg_pad_top     (cfg_branch[32*`LOAS_WALK_PAD +: 8]),
        .cfg_pad_left    (cfg_branch[32*`LOAS_WALK_PAD + 8 +: 8]),
        .cfg_start       (cfg_branch[32*`LOAS_WALK_START +: 32]),
        .cfg_step_x      (cfg_branch[32*`LOAS_WALK_STEP_X +: 32]),
        .cfg_step_y      (cfg_branch[32*`LOAS_WALK_STEP_Y +: 32]),
        .cfg_image_bytes (cfg_branch[32*`LOAS_WALK_IMAGE_BYTES +: 32]),
        .start           (layer_start),
        .step            (row_step),
        .mark            (row_mark),
        .back            (row_back),
        .ready           (walk2_ready),
        .addr            (row_addr2),
        .y               (row_y2),
        .x               (row_x2)
    );

    assign block_pop   = load & row_last;
    assign alloc_valid = load & first_block_reg;
    assign alloc_slot  = slot_reg;

    always @(posedge clk) begin
        if (accepted) sel_reg <= {NUM_TPPES{1'b0}};
        if (slot_free_valid) slot_busy_reg[slot_free] <= 1'b0;
        if (load) begin
            sel_reg       <= grant;
            t_a_reg       <= row_addr;
            t_y_reg       <= row_y;
            t_x_reg       <= row_x;
            t_a2_reg      <= row_addr2;
            t_y2_reg      <= row_y2;
            t_x2_reg      <= row_x2;
            t_state_reg   <= row_state_reg + block_state_reg;
            t_params_reg  <= block_params;
            t_masks_reg   <= block[63:32];
            t_weights_reg <= block[95:64];
            t_nnz_reg     <= block[123:96];
            t_cols_reg    <= block_cols;
            t_slot_reg    <= slot_reg;
            t_out_reg     <= row_out_reg + block_off_reg;
            if (first_block_reg) slot_busy_reg[slot_reg] <= 1'b1;
            if (!row_last) begin
                row_reg     <= row_reg + 8'd1;
                slot_reg    <= slot_reg + {{SLOT_W-1{1'b0}}, 1'b1};
                row_out_reg <= row_out_inc;
                row_state_reg <= next_state;
            end else begin
                row_reg <= 8'd0;
                if (!block_is_last) begin
                    first_block_reg <= 1'b0;
                    slot_reg        <= odd_reg ? slot_half : {SLOT_W{1'b0}};
                    row_out_reg     <= tile_out_reg;
                    block_off_reg   <= block_off_reg + block_step[ADDR_W-1:0];
                    row_state_reg   <= tile_state_reg;
                    block_state_reg <= block_state_reg + {19'd0, cfg_block_cols, 2'd0};
                end else begin
                    first_block_reg <= 1'b1;
                    odd_reg         <= ~odd_reg;
                    m_left_reg      <= m_left_reg - {16'd0, tile_rows};
                    slot_reg        <= odd_reg ? {SLOT_W{1'b0}} : slot_half;
                    tile_out_reg    <= odd_reg ? {ADDR_W{1'b0}} : row_out_inc;
                    row_out_reg     <= odd_reg ? {ADDR_W{1'b0}} : row_out_inc;
                    block_off_reg   <= {ADDR_W{1'b0}};
                    tile_state_reg  <= next_state;
                    row_state_reg   <= next_state;
                    block_state_reg <= 32'd0;
                    if (block_is_end) active_reg <= 1'b0;
                end
            end
        end
        if (layer_start) begin
            active_reg      <= 1'b1;
            first_block_reg <= 1'b1;
            odd_reg         <= 1'b0;
            m_left_reg      <= cfg_m;
            row_reg         <= 8'd0;
            slot_reg        <= {SLOT_W{1'b0}};
            tile_out_reg    <= {ADDR_W{1'b0}};
            row_out_reg     <= {ADDR_W{1'b0}};
            block_off_reg   <= {ADDR_W{1'b0}};
            tile_state_reg  <= cfg_state;
            row_state_reg   <= cfg_state;
            block_state_reg <= 32'd0;
            slot_busy_reg   <= {NUM_SLOTS{1'b0}};
        end
        if (rst) begin
            active_reg    <= 1'b0;
            sel_reg       <= {NUM_TPPES{1'b0}};
            slot_busy_reg <= {NUM_SLOTS{1'b0}};
        end
    end

    assign task_valid    = sel_reg;
    assign task_a_addr   = t_a_reg;
    assign task_y        = t_y_reg;
    assign task_x        = t_x_reg;
    assign task_a_addr2  = t_a2_reg;
    assign task_y2       = t_y2_reg;
    assign task_x2       = t_x2_reg;
    assign task_state    = t_state_reg;
    assign task_params   = t_params_reg;
    assign task_masks    = t_masks_reg;
    assign task_weights  = t_weights_reg;
    assign task_nnz      = {4'd0, t_nnz_reg};
    assign task_cols     = t_cols_reg;
    assign task_slot     = t_slot_reg;
    assign task_out_addr = t_out_reg;

    // ------------------------------------------------------------------------------------------------ fetching ahead
    reg [31:0] fetch_addr_reg;   // next line
    reg [31:0] here_reg;         // where the block being handed out begins

    wire fetch_want = active_reg & (fetch_addr_reg < cfg_b_end) & (fetch_addr_reg < here_reg + (FAR_LINES << LINE_B));

    // A request stays until it is taken, so the choice between table and fetch is held in registers.
    reg        req_valid_reg;
    reg        req_fetch_reg;
    reg [31:0] req_addr_reg;
    wire       req_free = ~req_valid_reg | rd_ready;
    wire       new_table = table_want & req_free;
    wire       new_fetch = fetch_want & req_free & ~table_want & ~tile_change;

    always @(posedge clk) begin
        if (rd_ready) req_valid_reg <= 1'b0;
        if (new_table | new_fetch) begin
            req_valid_reg <= 1'b1;
            req_fetch_reg <= ~new_table;
            req_addr_reg  <= new_table ? {entry_addr_reg[31:LINE_B], {LINE_B{1'b0}}} : fetch_addr_reg;
        end
        if (block_valid) here_reg <= {block_params[31:LINE_B], {LINE_B{1'b0}}};
        if (fetch_addr_reg < here_reg) fetch_addr_reg <= here_reg;  // left behind: the walk has already been there
        else if (new_fetch)            fetch_addr_reg <= fetch_addr_reg + (LINE_W / 8);
        if (layer_start | tile_change) begin
            fetch_addr_reg <= cfg_b_base;
            here_reg       <= cfg_b_base;
        end
        if (rst) req_valid_reg <= 1'b0;
    end

    // The reader sees its request accepted as soon as it is registered: it then only waits for the line.
    assign table_accept = new_table;
    assign rd_valid     = req_valid_reg;
    assign rd_addr      = req_addr_reg;
    assign rd_fetch     = req_fetch_reg;
    assign done         = ~active_reg & (sel_reg == {NUM_TPPES{1'b0}}) & ~req_valid_reg;

    wire unused_ok =
        &{1'b0, cfg_walk, cfg_branch, walk2_ready, block_level, cfg_entries, block_step, entry_addr_reg[3:0]};

endmodule

`resetall
