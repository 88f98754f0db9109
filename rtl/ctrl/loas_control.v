// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Runs an image: header, layer descriptors, layers, performance records, errors.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Contract: `start` (pulse) runs the image at image_base: the header and then each layer's descriptor, and the walk record of a
// convolution and of its branch, are read through a cache port and checked word by word, one a cycle; the lowest bad word counts, a wrong
// checksum before all. A fully connected layer is a convolution of one pixel over maps of one pixel. Then
// `layer_start` pulses with all cfg_* stable until the next layer. The layer is over when scheduler and compressor are
// done and the writes are answered; its counters are written to perf_ptr through the write master and the next begins
// with an invalidated cache. A start while busy is ignored.
//
// Errors: the first one of a run is kept (of several in one cycle: bus, window, scheduler, fibers, in this order). It
// ends the run at once (busy falls, error rises, set_error pulses), as does soft_reset (without error). Then core_rst and
// flush are held until both masters are idle (`draining`); a start meanwhile waits. The watchdog counts cycles without
// bus progress while an access is outstanding or a start waits, and ends the run as an error.
module loas_control #(
    parameter integer NUM_TPPES   = 16,
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 128,
    parameter integer SLICE_W     = 16,
    parameter integer K_MAX       = 8192,
    parameter integer LINE_W      = 1024,
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer INDEX_RATE  = 4,
    parameter integer CARRY       = 1,
    parameter integer POOL_COLS   = 64,  // columns of a block with pooling or carried membranes
    parameter [31:0]  CONFIG0     = 0,   // what the header has to say
    parameter [31:0]  CONFIG1     = 0,
    parameter [31:0]  CONFIG2     = 0,
    parameter [31:0]  CONFIG3     = 0
) (
    input  wire                    clk,
    input  wire                    rst,

    // registers
    input  wire                    start,
    input  wire                    soft_reset,
    input  wire [31:0]             image_base_in,
    input  wire [31:0]             image_size_in,
    input  wire [31:0]             watchdog,
    output wire                    busy,
    output wire                    done,
    output wire                    error,
    output wire                    draining,
    output reg                     set_done,
    output reg                     set_error,
    output wire [3:0]              err_code,
    output wire [31:0]             err_addr,
    output wire [15:0]             err_layer,
    output wire [15:0]             layer,

    // datapath
    output wire                    core_rst,
    output wire                    flush,
    output wire [31:0]             image_base,    // of this run
    output wire [31:0]             image_size,
    output wire                    invalidate,
    output wire                    layer_start,
    output wire                    perf_run,
    input  wire                    sched_done,
    input  wire                    comp_done,
    input  wire                    state_idle,    // no membranes on their way
    output wire [23:0]             cfg_m,
    output wire [16:0]             cfg_n,
    output wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    output wire [511:0]            cfg_walk,      // words of the walk record, and of the branch's
    output wire [511:0]            cfg_branch,
    output wire [31:0]             cfg_state,
    output wire [31:0]             cfg_state_stride,
    output wire [31:0]             cfg_block_table,
    output wire [31:0]             cfg_b_base,
    output wire [31:0]             cfg_b_end,
    output wire [31:0]             cfg_out_base,
    output wire [31:0]             cfg_out_stride,
    output wire [10:0]             cfg_block_cols,
    output wire [7:0]              cfg_tile_rows,
    output wire [16:0]             cfg_entries,
    output wire [7:0]              cfg_slots,
    output wire [8:0]              cfg_leak,
    output wire                    cfg_soft,
    output wire                    cfg_readout,
    output wire                    cfg_drop_once,
    output wire                    cfg_late,
    output wire                    cfg_index,
    output wire                    cfg_carry_in,
    output wire                    cfg_carry_out,
    output wire [4:0]              cfg_steps,

    // cache port
    output wire                    rd_valid,
    input  wire                    rd_ready,
    output wire [31:0]             rd_addr,
    input  wire                    rsp_valid,
    input  wire [LINE_W-1:0]       rsp_data,

    // performance record to the write master
    input  wire [1023:0]           counters,
    output wire                    rec_sel,       // the record has the write master
    output wire                    rec_cmd_valid,
    input  wire                    rec_cmd_ready,
    output wire [31:0]             rec_cmd_addr,
    output wire [16:0]             rec_cmd_chunks,
    output wire                    rec_wr_valid,
    input  wire                    rec_wr_ready,
    output wire [CHUNK_W-1:0]      rec_wr_data,

    // masters
    input  wire                    rd_idle,
    input  wire                    rd_outstanding,
    input  wire [31:0]             rd_oldest_addr,
    input  wire                    rd_progress,
    input  wire                    wr_idle,
    input  wire                    wr_outstanding,
    input  wire [31:0]             wr_oldest_addr,
    input  wire                    wr_progress,

    // errors
    input  wire                    err_bus_read,
    input  wire [31:0]             err_bus_read_addr,
    input  wire                    err_bus_write,
    input  wire [31:0]             err_bus_write_addr,   // also of err_write_pointer
    input  wire                    err_write_pointer,
    input  wire                    err_cache_pointer,
    input  wire [31:0]             err_cache_addr,
    input  wire                    err_sched,
    input  wire [31:0]             err_sched_addr,
    input  wire [NUM_TPPES-1:0]    err_fiber_a,
    input  wire [NUM_TPPES-1:0]    err_fiber_b,
    input  wire [NUM_TPPES*32-1:0] err_fiber_addr
);

    localparam integer LINE_B   = $clog2(LINE_W / 8);
    localparam integer CHUNK_B  = $clog2(CHUNK_W / 8);
    localparam integer CHUNK_L  = $clog2(CHUNK_W);
    localparam integer SLICE_L  = $clog2(SLICE_W);
    localparam integer WORD_L   = $clog2(T);
    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer READS    = LINE_W < 512 ? 512 / LINE_W : 1;  // lines of a 64-byte record
    localparam integer REC_CHUNKS = 1024 / CHUNK_W;
    localparam [31:0]  K_LIMIT    = K_MAX;
    localparam [31:0]  SLICES_MAX = K_MAX / SLICE_W;
    localparam [31:0]  STEPS_MAX  = T;
    localparam [31:0]  COLS_MAX   = POOL_COLS;
    // the membranes of a block begin with a line
    localparam integer STATE_L    = LINE_B > 2 + SLICE_L ? LINE_B - 2 : SLICE_L;
    localparam [31:0]  HALF_OUT   = OUT_ENTRIES / 2;
    localparam [31:0]  HALF_SLOTS = NUM_SLOTS / 2;
    localparam [31:0]  ALL_OUT    = OUT_ENTRIES;
    localparam [31:0]  CHUNKS     = REC_CHUNKS;
    localparam [31:0]  LAST_READ  = READS - 1;

    localparam [3:0] S_IDLE   = 4'd0;
    localparam [3:0] S_DRAIN  = 4'd1;
    localparam [3:0] S_SETTLE = 4'd2;
    localparam [3:0] S_REQ    = 4'd3;
    localparam [3:0] S_RSP    = 4'd4;
    localparam [3:0] S_CHECK  = 4'd5;
    localparam [3:0] S_JUDGE  = 4'd6;
    localparam [3:0] S_SIZE   = 4'd7;
    localparam [3:0] S_FIT    = 4'd8;
    localparam [3:0] S_START  = 4'd9;
    localparam [3:0] S_RUN    = 4'd10;
    localparam [3:0] S_SUM    = 4'd11;
    localparam [3:0] S_CMD    = 4'd12;
    localparam [3:0] S_RECORD = 4'd13;
    localparam [3:0] S_WRITTEN = 4'd14;
    localparam [3:0] S_SHAPE  = 4'd15;

    reg [3:0]   state_reg, state_next;
    reg         begun_reg;        // the header has been judged: records are descriptors
    reg         walk_reg;         // the record is a walk record
    reg         second_reg;       // that of the branch
    reg         pending_reg;      // a start waits for the drain
    reg         done_reg;
    reg         error_reg;
    reg [3:0]   code_reg;
    reg [31:0]  addr_reg;
    reg [15:0]  err_layer_reg;
    reg [15:0]  layer_reg;
    reg [15:0]  layers_reg;       // layers left after this one
    reg [31:0]  base_reg;
    reg [31:0]  size_reg;
    reg [4:0]   wait_reg;         // cycles in a state, saturating
    reg [31:0]  rec_addr_reg;     // 64-byte record being read or judged
    reg [31:0]  desc_reg;         // next descriptor
    reg [4:0]   read_reg;         // line of the record
    reg [511:0] rec_reg;
    reg [3:0]   word_reg;
    reg         bad_reg;
    reg [3:0]   bad_word_reg;
    reg [31:0]  sum_reg;
    reg [1023:0] out_reg;
    reg [5:0]   chunk_reg;

    // ------------------------------------------------------------------------------------------------- layer registers
    reg [15:0] control_reg;
    reg [23:0] m_reg;
    reg [16:0] k_reg;
    reg [16:0] n_reg;
    reg [31:0] a_base_reg, a_stride_reg, membranes_reg, table_reg, b_base_reg, b_end_reg, out_base_reg, out_stride_reg, perf_reg;
    reg [8:0]  leak_reg;
    reg [4:0]  steps_reg;
    reg [10:0] cols_reg;
    reg [7:0]  tile_reg;
    reg [16:0] entries_reg;
    reg [31:0] row_bytes_reg;     // the longest output row
    reg [31:0] need_reg;          // output buffer entries of all slots
    reg [31:0] walk_ptr_reg;
    reg [511:0] window_reg;       // the walk record, or what a fully connected layer is as a convolution
    reg [511:0] branch_reg;
    reg [15:0] taps_reg, taps2_reg;   // pixels of the kernels
    reg [31:0] bits_reg, bits2_reg;   // slices of a row, from either window

    // --------------------------------------------------------------------------------------------------- word checks
    wire [31:0] word = rec_reg[31:0];
    reg         word_bad;
    wire        readout = control_reg[`LOAS_CTL_READOUT_LSB];
    wire        line_off = |word[LINE_B-1:0];
    wire        not_line = word[31] | line_off;
    wire        conv     = control_reg[7:0] == 8'd2;
    wire        carries  = control_reg[`LOAS_CTL_CARRY_IN_LSB] | control_reg[`LOAS_CTL_CARRY_OUT_LSB];
    wire        pools    = window_reg[511:480] != 32'h0101;   // while the word behind `pool` is checked
    wire        branches = window_reg[32*`LOAS_WALK_BRANCH +: 32] != 32'd0;

    always @* begin
        word_bad = 1'b0;
        if (!begun_reg) begin
            case (word_reg)
                `LOAS_HDR_MAGIC:       word_bad = word != `LOAS_MAGIC;
                `LOAS_HDR_VERSION:     word_bad = word != `LOAS_VERSION;
                `LOAS_HDR_SIZE:        word_bad = (word == 32'd0) | line_off | (word > size_reg);
                `LOAS_HDR_CONFIG0:     word_bad = word != CONFIG0;
                `LOAS_HDR_CONFIG1:     word_bad = word != CONFIG1;
                `LOAS_HDR_CONFIG2:     word_bad = word != CONFIG2;
                `LOAS_HDR_CONFIG3:     word_bad = word != CONFIG3;
                `LOAS_HDR_DESC_OFFSET: word_bad = word[31] | (|word[5:0]);
                `LOAS_HDR_NUM_LAYERS:  word_bad = (word == 32'd0) | (|word[31:16]);
                default:               word_bad = 1'b0;
            endcase
        end else if (walk_reg) begin
            case (word_reg)
                `LOAS_WALK_KERNEL:      word_bad = (word[7:0] == 8'd0) | (word[15:8] == 8'd0) | (word[23:16] == 8'd0)
                                                 | (word[31:24] == 8'd0);
                `LOAS_WALK_OUT_SIZE,
                `LOAS_WALK_IN_SIZE:     word_bad = (word[15:0] == 16'd0) | (word[31:16] == 16'd0);
                `LOAS_WALK_PAD:         word_bad = (word[31:16] == 16'd0) | ({16'd0, word[31:16]} > SLICES_MAX);
                `LOAS_WALK_STEP_X,
                `LOAS_WALK_STEP_Y,
                `LOAS_WALK_ROW_BYTES,
                `LOAS_WALK_IMAGE_BYTES: word_bad = not_line;
                `LOAS_WALK_START:       word_bad = line_off;
                `LOAS_WALK_PITCH:       word_bad = not_line;
                `LOAS_WALK_POOL:        word_bad = (word[7:0] == 8'd0) | (word[15:8] == 8'd0) | (|word[31:16])
                                                 | ((word != 32'h0101) & (second_reg | readout | ({21'd0, cols_reg} > COLS_MAX)));
                `LOAS_WALK_BRANCH:      word_bad = word[31] | (|word[5:0]) | ((word != 32'd0) & (second_reg | pools));
                `LOAS_WALK_STATE_STEP:  word_bad = not_line | ((word != 32'd0) & second_reg);
                `LOAS_WALK_CHECKSUM:    word_bad = 1'b0;
                default:                word_bad = word != 32'd0;
            endcase
        end else begin
            case (word_reg)
                `LOAS_DESC_CONTROL:     word_bad = ((word[7:0] != 8'd1) & (word[7:0] != 8'd2)) | word[15] | (word[31:16] != 16'h10A5)
                                                 | ((INDEX_RATE == 0) & word[`LOAS_CTL_INDEX_LSB])
                                                 | ((CARRY == 0) & (word[`LOAS_CTL_CARRY_IN_LSB] | word[`LOAS_CTL_CARRY_OUT_LSB]));
                `LOAS_DESC_ROWS:        word_bad = (word[23:0] == 24'd0) | (word[31:24] == 8'd0) | ({24'd0, word[31:24]} > HALF_SLOTS);
                `LOAS_DESC_K:           word_bad = (word == 32'd0) | (word > K_LIMIT);
                `LOAS_DESC_N:           word_bad = (word == 32'd0) | (word > K_LIMIT) | (readout & (word > HALF_OUT));
                `LOAS_DESC_A_BASE:      word_bad = not_line;
                `LOAS_DESC_A_STRIDE:    word_bad = not_line;
                `LOAS_DESC_BLOCK_TABLE: word_bad = word[31] | (|word[3:0]);
                `LOAS_DESC_B_BASE:      word_bad = not_line;
                `LOAS_DESC_B_END:       word_bad = not_line | (word < b_base_reg);
                `LOAS_DESC_OUT_BASE:    word_bad = not_line;
                `LOAS_DESC_OUT_STRIDE:  word_bad = not_line | (word < row_bytes_reg);
                `LOAS_DESC_NEURON:      word_bad = (|word[15:14]) | (word[8:0] > 9'd256) | (word[31:16] == 16'd0)
                                                 | (word[31:16] > 16'd1024) | (|word[16 +: SLICE_L])
                                                 | (word[13:9] == 5'd0) | ({27'd0, word[13:9]} > STEPS_MAX)
                                                 | (carries & ((|word[16 +: STATE_L]) | ({16'd0, word[31:16]} > COLS_MAX)));
                `LOAS_DESC_STATE:       word_bad = not_line | (~carries & (word != 32'd0));
                `LOAS_DESC_PERF_PTR:    word_bad = not_line;
                `LOAS_DESC_WALK:        word_bad = conv ? word[31] | (|word[5:0]) : word != 32'd0;
                default:                word_bad = 1'b0;
            endcase
        end
    end

    // -------------------------------------------------------------------------------------------------------- errors
    reg        fiber_any;
    reg        fiber_a;
    reg [31:0] fiber_addr;
    integer    i;
    always @* begin
        fiber_any  = 1'b0;
        fiber_a    = 1'b0;
        fiber_addr = 32'd0;
        for (i = NUM_TPPES - 1; i >= 0; i = i - 1) begin
            if (err_fiber_a[i] | err_fiber_b[i]) begin
                fiber_any  = 1'b1;
                fiber_a    = err_fiber_a[i];
                fiber_addr = err_fiber_addr[i*32 +: 32];
            end
        end
    end

    wire judge_bad  = (state_reg == S_JUDGE) & (bad_reg | (begun_reg & (sum_reg != 32'd0)));
    wire judge_image = (bad_word_reg < `LOAS_HDR_CONFIG0) | (bad_word_reg > `LOAS_HDR_CONFIG3);
    wire fit_bad    = (state_reg == S_FIT) & (need_reg > ALL_OUT);
    reg  shape_reg;               // what S_SHAPE finds, said behind it: a long sum in front of everything that an error decides
    wire shape_bad  = (state_reg == S_START) & shape_reg;
    reg [31:0] idle_reg;          // cycles without progress
    wire waiting    = rd_outstanding | wr_outstanding | pending_reg;
    wire dog        = (watchdog != 32'd0) & waiting & (idle_reg >= watchdog);
    wire running    = (state_reg != S_IDLE) & (state_reg != S_DRAIN);

    reg        fail;
    reg [3:0]  fail_code;
    reg [31:0] fail_addr;
    always @* begin
        fail      = 1'b1;
        fail_code = `LOAS_ERR_NONE;
        fail_addr = rec_addr_reg;
        if (dog & (running | pending_reg)) begin
            fail_code = `LOAS_ERR_WATCHDOG;
            fail_addr = rd_outstanding ? rd_oldest_addr : wr_oldest_addr;
        end else if (!running) begin
            fail = 1'b0;
        end else if (err_bus_read) begin
            fail_code = `LOAS_ERR_BUS_READ;
            fail_addr = err_bus_read_addr;
        end else if (err_bus_write) begin
            fail_code = `LOAS_ERR_BUS_WRITE;
            fail_addr = err_bus_write_addr;
        end else if (err_cache_pointer) begin
            fail_code = `LOAS_ERR_POINTER;
            fail_addr = err_cache_addr;
        end else if (err_write_pointer) begin
            fail_code = `LOAS_ERR_POINTER;
            fail_addr = err_bus_write_addr;
        end else if (err_sched) begin
            fail_code = `LOAS_ERR_FIBER_B;
            fail_addr = err_sched_addr;
        end else if (fiber_any) begin
            fail_code = fiber_a ? `LOAS_ERR_FIBER_A : `LOAS_ERR_FIBER_B;
            fail_addr = fiber_addr;
        end else if (judge_bad & ~begun_reg) begin
            fail_code = judge_image ? `LOAS_ERR_BAD_IMAGE : `LOAS_ERR_BAD_CONFIG;
            fail_addr = {26'd0, bad_word_reg, 2'b00};
        end else if (judge_bad) begin
            fail_code = `LOAS_ERR_BAD_DESC;
            fail_addr = {rec_addr_reg[31:6], sum_reg != 32'd0 ? `LOAS_DESC_CHECKSUM : bad_word_reg, 2'b00};   // or the walk's
        end else if (fit_bad) begin
            fail_code = `LOAS_ERR_BAD_DESC;
            fail_addr = {desc_reg[31:6], `LOAS_DESC_ROWS, 2'b00};
        end else if (shape_bad) begin
            fail_code = `LOAS_ERR_BAD_DESC;
            fail_addr = {desc_reg[31:6], `LOAS_DESC_K, 2'b00};
        end else begin
            fail = 1'b0;
        end
    end

    // ----------------------------------------------------------------------------------------------------------- FSM
    wire quiet = rd_idle & wr_idle;
    wire settled = wait_reg >= 5'd8;   // the state has lasted long enough for idle to mean it
    wire drained = (state_reg == S_DRAIN) & quiet & (wait_reg >= 5'd4);
    wire layer_over = sched_done & comp_done & state_idle & wr_idle & (wait_reg >= 5'd4);
    wire rec_last = chunk_reg == CHUNKS[5:0] - 6'd1;
    wire begin_run = (state_next == S_SETTLE) & ((state_reg == S_IDLE) | (state_reg == S_DRAIN));
    wire last_layer = layers_reg == 16'd0;
    // the window ends after 2^31 bytes, and at the last bus address: no access may wrap to address 0
    wire [31:0] room = image_base_in[31] ? 32'd0 - image_base_in : 32'h8000_0000;

    always @* begin
        state_next = state_reg;
        case (state_reg)
            // waits for a start
            S_IDLE:    if (start) state_next = S_SETTLE;
            // waits for both masters after an error or a soft reset
            S_DRAIN:   if (drained) state_next = (pending_reg | start) & ~(dog & pending_reg) ? S_SETTLE : S_IDLE;
            // waits until no late fetch can be under way, then drops the cache's lines
            S_SETTLE:  if (settled & quiet) state_next = S_REQ;
            // waits for the cache to take the read of a line of the record
            S_REQ:     if (rd_ready) state_next = S_RSP;
            // waits for the line
            S_RSP:     if (rsp_valid) state_next = {27'd0, read_reg} == LAST_READ ? S_CHECK : S_REQ;
            // sixteen words, one a cycle
            S_CHECK:   if (word_reg == 4'd15) state_next = S_JUDGE;
            // a bad record fails here; a good header is followed by the first descriptor, a convolution's by its walk records
            S_JUDGE:   state_next = begun_reg & ((walk_reg & (second_reg | ~branches)) | ~conv) ? S_SIZE : S_REQ;
            // one cycle for the products slots * entries and kernel heights * widths
            S_SIZE:    state_next = S_FIT;
            // too many entries fail here
            S_FIT:     state_next = S_SHAPE;
            // one cycle for what the windows make
            S_SHAPE:   state_next = S_START;
            // one cycle: layer_start; a window that does not make K fails here
            S_START:   state_next = S_RUN;
            // waits for the layer's work
            S_RUN:     if (layer_over) state_next = S_SUM;
            // waits for the counters to be final
            S_SUM:     if (wait_reg >= 5'd3) state_next = S_CMD;
            // waits for the write master to take the record's command
            S_CMD:     if (rec_cmd_ready) state_next = S_RECORD;
            // hands over the record's chunks
            S_RECORD:  if (rec_wr_ready & rec_last) state_next = S_WRITTEN;
            // waits for the answers, and for fetches that nobody read
            S_WRITTEN: if (quiet & (wait_reg >= 5'd4)) state_next = last_layer ? S_IDLE : S_SETTLE;
            default:   state_next = S_DRAIN;
        endcase
        if (fail | soft_reset) state_next = S_DRAIN;
    end

    wire [31:0] n_words      = {15'd0, n_reg};
    wire [31:0] n_chunks     = (n_words + (CHUNK_W - 1)) >> CHUNK_L;
    wire [31:0] n_word_chunks = ((n_words << WORD_L) + (CHUNK_W - 1)) >> CHUNK_L;
    wire [31:0] n_slices     = (n_words + (SLICE_W - 1)) >> SLICE_L;
    wire [31:0] state_stride = ((n_words << 2) + (LINE_W / 8 - 1)) & ~(LINE_W / 8 - 1);
    wire [31:0] k_slices     = ({15'd0, k_reg} + (SLICE_W - 1)) >> SLICE_L;
    wire [31:0] k_chunks     = ({15'd0, k_reg} + (CHUNK_W - 1)) >> CHUNK_L;
    reg  [CHUNKS_W-1:0] cfg_chunks_reg;   // k_reg is old when a layer starts

    always @(posedge clk) begin
        cfg_chunks_reg <= k_chunks[CHUNKS_W-1:0];
        shape_reg      <= bits_reg + bits2_reg != k_slices;
    end

    // a fully connected layer as a walk record: a window of one pixel in maps of one
    reg [511:0] whole_row;
    always @* begin
        whole_row = 512'd0;
        whole_row[32*`LOAS_WALK_KERNEL +: 32]      = 32'h0101_0101;
        whole_row[32*`LOAS_WALK_OUT_SIZE +: 32]    = 32'h0001_0001;
        whole_row[32*`LOAS_WALK_IN_SIZE +: 32]     = 32'h0001_0001;
        whole_row[32*`LOAS_WALK_PAD +: 32]         = {k_slices[15:0], 16'd0};
        whole_row[32*`LOAS_WALK_IMAGE_BYTES +: 32] = a_stride_reg;
        whole_row[32*`LOAS_WALK_START +: 32]       = a_base_reg;
        whole_row[32*`LOAS_WALK_POOL +: 32]        = 32'h0101;
        whole_row[32*`LOAS_WALK_STATE_STEP +: 32]  = carries ? state_stride : 32'd0;
    end

    generate
        if (LINE_W <= 512) begin : gen_rec_lines
            if (LINE_W == 512) begin : gen_whole
                always @(posedge clk) begin
                    if ((state_reg == S_RSP) & rsp_valid) rec_reg <= rsp_data;
                    else if (state_reg == S_CHECK)        rec_reg <= {32'd0, rec_reg[511:32]};
                end
            end else begin : gen_part
                always @(posedge clk) begin
                    if ((state_reg == S_RSP) & rsp_valid) rec_reg <= {rsp_data, rec_reg[511:LINE_W]};
                    else if (state_reg == S_CHECK)        rec_reg <= {32'd0, rec_reg[511:32]};
                end
            end
        end else begin : gen_rec_part
            always @(posedge clk) begin
                if ((state_reg == S_RSP) & rsp_valid) rec_reg <= rsp_data[{rec_addr_reg[LINE_B-1:6], 9'd0} +: 512];
                else if (state_reg == S_CHECK)        rec_reg <= {32'd0, rec_reg[511:32]};
            end
        end
    endgenerate

    always @(posedge clk) begin
        state_reg <= state_next;
        wait_reg  <= state_next != state_reg ? 5'd0 : wait_reg + {4'd0, ~(&wait_reg)};
        set_done  <= 1'b0;
        set_error <= 1'b0;

        if (rd_progress | wr_progress | ~waiting | dog | start) idle_reg <= 32'd0;
        else                                             idle_reg <= idle_reg + 32'd1;

        case (state_reg)
            S_RSP: if (rsp_valid) read_reg <= read_reg + 5'd1;
            S_CHECK: begin
                word_reg <= word_reg + 4'd1;
                sum_reg  <= sum_reg + word;
                if (word_bad & ~bad_reg) begin
                    bad_reg      <= 1'b1;
                    bad_word_reg <= word_reg;
                end
                if (!begun_reg) begin
                    if (word_reg == `LOAS_HDR_DESC_OFFSET) desc_reg   <= word;
                    if (word_reg == `LOAS_HDR_NUM_LAYERS)  layers_reg <= word[15:0];
                end else if (walk_reg) begin
                    if (second_reg) branch_reg <= {word, branch_reg[511:32]};
                    else            window_reg <= {word, window_reg[511:32]};
                end else begin
                    case (word_reg)
                        `LOAS_DESC_CONTROL:     control_reg <= word[15:0];
                        `LOAS_DESC_ROWS: begin
                            m_reg    <= word[23:0];
                            tile_reg <= word[31:24];
                        end
                        `LOAS_DESC_K:           k_reg <= word[16:0];
                        `LOAS_DESC_N:           n_reg <= word[16:0];
                        `LOAS_DESC_A_BASE:      a_base_reg <= word;
                        `LOAS_DESC_A_STRIDE:    a_stride_reg <= word;
                        `LOAS_DESC_BLOCK_TABLE: table_reg <= word;
                        `LOAS_DESC_B_BASE:      b_base_reg <= word;
                        `LOAS_DESC_B_END:       b_end_reg <= word;
                        `LOAS_DESC_OUT_BASE:    out_base_reg <= word;
                        `LOAS_DESC_OUT_STRIDE:  out_stride_reg <= word;
                        `LOAS_DESC_NEURON: begin
                            leak_reg  <= word[8:0];
                            steps_reg <= word[13:9];
                            cols_reg  <= word[26:16];
                        end
                        `LOAS_DESC_STATE:       membranes_reg <= word;
                        `LOAS_DESC_PERF_PTR:    perf_reg <= word;
                        `LOAS_DESC_WALK: begin
                            // fully connected, unless a walk record follows
                            walk_ptr_reg <= word;
                            window_reg   <= whole_row;
                            branch_reg   <= 512'd0;
                        end
                        default: ;
                    endcase
                    // n and readout are known from word 4 on, long before they are needed
                    row_bytes_reg <= readout ? n_words << 2 : (n_chunks + n_word_chunks + 32'd1) << CHUNK_B;
                    entries_reg   <= readout ? n_reg : n_slices[16:0];
                end
            end
            S_JUDGE: begin
                begun_reg <= 1'b1;
                if (!begun_reg) layers_reg <= layers_reg - 16'd1;
                if (!begun_reg)            rec_addr_reg <= desc_reg;
                else if (conv & ~walk_reg) rec_addr_reg <= walk_ptr_reg;
                else if (conv)             rec_addr_reg <= window_reg[32*`LOAS_WALK_BRANCH +: 32];
                walk_reg   <= begun_reg & conv & (~walk_reg | (~second_reg & branches));
                second_reg <= walk_reg & ~second_reg & branches;
            end
            S_SIZE: begin
                need_reg <= {23'd0, tile_reg, 1'b0} * {15'd0, entries_reg};
                taps_reg  <= {8'd0, window_reg[32*`LOAS_WALK_KERNEL +: 8]} * {8'd0, window_reg[32*`LOAS_WALK_KERNEL + 8 +: 8]};
                taps2_reg <= {8'd0, branch_reg[32*`LOAS_WALK_KERNEL +: 8]} * {8'd0, branch_reg[32*`LOAS_WALK_KERNEL + 8 +: 8]};
            end
            S_FIT: begin
                bits_reg  <= {16'd0, taps_reg} * {16'd0, window_reg[32*`LOAS_WALK_PAD + 16 +: 16]};
                bits2_reg <= {16'd0, taps2_reg} * {16'd0, branch_reg[32*`LOAS_WALK_PAD + 16 +: 16]};
            end
            S_SUM:  out_reg <= counters;
            S_RECORD: if (rec_wr_ready) begin
                out_reg   <= out_reg >> CHUNK_W;
                chunk_reg <= chunk_reg + 6'd1;
            end
            S_WRITTEN: if (state_next == S_SETTLE) begin
                layer_reg    <= layer_reg + 16'd1;
                layers_reg   <= layers_reg - 16'd1;
                rec_addr_reg <= {desc_reg[31] | (&desc_reg[30:6]), desc_reg[30:6] + 25'd1, 6'd0};
                desc_reg     <= {desc_reg[31] | (&desc_reg[30:6]), desc_reg[30:6] + 25'd1, 6'd0};
            end else if (state_next == S_IDLE) begin
                done_reg <= 1'b1;
                set_done <= 1'b1;
            end
            default: ;
        endcase
        if (state_reg != S_REQ & state_reg != S_RSP) read_reg <= 5'd0;
        if (state_reg != S_CHECK) word_reg <= 4'd0;
        if (state_reg == S_REQ) begin
            bad_reg <= 1'b0;
            sum_reg <= 32'd0;
        end
        if (state_reg == S_CMD) chunk_reg <= 6'd0;

        if (begin_run) begin
            pending_reg  <= 1'b0;
            begun_reg    <= 1'b0;
            walk_reg     <= 1'b0;
            second_reg   <= 1'b0;
            layer_reg    <= 16'd0;
            rec_addr_reg <= 32'd0;
            base_reg     <= image_base_in;
            size_reg     <= image_size_in > room ? room : image_size_in;
        end else if (start & ~running) begin
            pending_reg <= 1'b1;
        end
        if (start & (~running | soft_reset)) begin
            done_reg  <= 1'b0;
            error_reg <= 1'b0;
            code_reg  <= `LOAS_ERR_NONE;
            addr_reg  <= 32'd0;
            err_layer_reg <= 16'd0;
            pending_reg   <= ~begin_run;
        end
        if (soft_reset) begin
            pending_reg   <= start;
            done_reg      <= 1'b0;
            error_reg     <= 1'b0;
            code_reg      <= `LOAS_ERR_NONE;
            addr_reg      <= 32'd0;
            err_layer_reg <= 16'd0;
            set_done      <= 1'b0;
        end else if (fail) begin
            pending_reg   <= 1'b0;
            done_reg      <= 1'b0;
            error_reg     <= 1'b1;
            set_done      <= 1'b0;
            set_error     <= 1'b1;
            code_reg      <= fail_code;
            addr_reg      <= fail_addr;
            err_layer_reg <= running ? layer_reg : 16'd0;
        end

        if (rst) begin
            state_reg     <= S_IDLE;
            wait_reg      <= 5'd0;
            set_done      <= 1'b0;
            set_error     <= 1'b0;
            pending_reg   <= 1'b0;
            done_reg      <= 1'b0;
            error_reg     <= 1'b0;
            code_reg      <= `LOAS_ERR_NONE;
            addr_reg      <= 32'd0;
            err_layer_reg <= 16'd0;
            layer_reg     <= 16'd0;
            idle_reg      <= 32'd0;
            base_reg      <= 32'd0;
            size_reg      <= 32'd0;
        end
    end

    assign busy      = running | pending_reg;
    assign done      = done_reg;
    assign error     = error_reg;
    assign draining  = state_reg == S_DRAIN;
    assign err_code  = code_reg;
    assign err_addr  = addr_reg;
    assign err_layer = err_layer_reg;
    assign layer     = layer_reg;

    assign core_rst    = rst | (state_reg == S_DRAIN);
    assign flush       = state_reg == S_DRAIN;
    assign image_base  = base_reg;
    assign image_size  = size_reg;
    assign invalidate  = (state_reg == S_SETTLE) & settled & quiet;
    assign layer_start = (state_reg == S_START) & ~shape_reg;
    assign perf_run    = state_reg == S_RUN;

    assign rd_valid = state_reg == S_REQ;
    assign rd_addr  = rec_addr_reg + ({27'd0, read_reg} << LINE_B);

    assign rec_sel        = (state_reg == S_CMD) | (state_reg == S_RECORD);
    assign rec_cmd_valid  = state_reg == S_CMD;
    assign rec_cmd_addr   = perf_reg;
    assign rec_cmd_chunks = CHUNKS[16:0];
    assign rec_wr_valid   = state_reg == S_RECORD;
    assign rec_wr_data    = out_reg[CHUNK_W-1:0];

    assign cfg_m           = m_reg;
    assign cfg_n           = n_reg;
    assign cfg_chunks      = cfg_chunks_reg;
    assign cfg_walk        = window_reg;
    assign cfg_branch      = branch_reg;
    assign cfg_state       = membranes_reg;
    assign cfg_state_stride = state_stride;
    assign cfg_block_table = table_reg;
    assign cfg_b_base      = b_base_reg;
    assign cfg_b_end       = b_end_reg;
    assign cfg_out_base    = out_base_reg;
    assign cfg_out_stride  = out_stride_reg;
    assign cfg_block_cols  = cols_reg;
    assign cfg_tile_rows   = tile_reg;
    assign cfg_entries     = entries_reg;
    assign cfg_slots       = {tile_reg[6:0], 1'b0};
    assign cfg_leak        = leak_reg;
    assign cfg_soft        = control_reg[`LOAS_CTL_SOFT_LSB];
    assign cfg_readout     = readout;
    assign cfg_drop_once   = control_reg[`LOAS_CTL_DROP_ONCE_LSB];
    assign cfg_late        = control_reg[`LOAS_CTL_LATE_LSB];
    assign cfg_index       = control_reg[`LOAS_CTL_INDEX_LSB];
    assign cfg_carry_in    = control_reg[`LOAS_CTL_CARRY_IN_LSB];
    assign cfg_carry_out   = control_reg[`LOAS_CTL_CARRY_OUT_LSB];
    assign cfg_steps       = steps_reg;

    wire unused_ok = &{1'b0, k_chunks, n_slices, CHUNKS, control_reg, tile_reg[7]};

endmodule

`resetall
