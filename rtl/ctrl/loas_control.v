// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Runs an image: header, layer descriptors, layers, performance records, errors.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Contract: `start` (pulse) runs the image at image_base: the header and then each layer's descriptor, and the walk
// record of a convolution and of its branch, are read through a cache port and checked word by word, one a cycle; the
// lowest bad word counts, a wrong checksum before all. A fully connected layer is a convolution of one pixel over maps
// of one pixel. Then `layer_start` pulses with all cfg_* stable until the next layer. The layer is over when scheduler
// and compressor are done and the writes are answered; its counters are written to perf_ptr through the write master
// and the next begins with an invalidated cache. A start while busy is ignored.
//
// Errors: the first one of a run is kept (of several in one cycle: bus, window, scheduler, fibers, in this order). It
// ends the run at once (busy falls, error rises, set_error pulses), as does soft_reset (without error). Then core_rst
// and flush are held until both masters are idle (`draining`); a start meanwhile waits. The watchdog counts cycles
// without bus progress while an access is outstanding or a start waits, and ends the run as an error.
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
    output wire                    set_error,
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

    localparam integer LINE_B     = $clog2(LINE_W / 8);
    localparam integer READS      = LINE_W < 512 ? 512 / LINE_W : 1;  // lines of a 64-byte record
    localparam integer REC_CHUNKS = 1024 / CHUNK_W;
    localparam [31:0]  CHUNKS     = REC_CHUNKS;
    localparam [31:0]  LAST_READ  = READS - 1;

    // Cycles that a state lasts at least, because what it waits for shows late. Each is named after the longest path
    // with DEEP.
    // a line asked for ahead: reader, shared port, cache port, look-up, fill, read master's idle
    localparam [4:0] WAIT_FETCH = 5'd8;
    localparam [4:0] WAIT_RESET = 5'd4;   // core_rst and flush to the masters' idle
    localparam [4:0] WAIT_START = 5'd4;   // layer_start to done of scheduler and compressor, which are high before it
    localparam [4:0] WAIT_EVENT = 5'd3;   // the last event of a TPPE to its counter
    localparam [4:0] WAIT_WRITE = 5'd4;   // the record's last chunk to the write master's idle

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
    reg [1023:0] out_reg;
    reg [5:0]   chunk_reg;

    // -------------------------------------------------------------------------------- records: kept, checked, judged
    wire [31:0] word    = rec_reg[31:0];
    wire        running = (state_reg != S_IDLE) & (state_reg != S_DRAIN);
    wire        conv, carries, branches, fit_bad, shape_bad, bad, sum_bad;
    wire [31:0] row_bytes, walk_ptr;
    wire [3:0]  bad_index;
    wire        dog, fail;

    loas_layer_regs #(
        .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .LINE_W(LINE_W), .OUT_ENTRIES(OUT_ENTRIES)
    ) layer_inst (
        .clk(clk),
        .step((state_reg == S_CHECK) & begun_reg), .walk(walk_reg), .second(second_reg), .index(word_reg), .word(word),
        .size_step(state_reg == S_SIZE), .fit_step(state_reg == S_FIT),
        .conv(conv), .carries(carries), .branches(branches), .row_bytes(row_bytes), .walk_ptr(walk_ptr),
        .perf_ptr(rec_cmd_addr), .fit_bad(fit_bad), .shape_bad(shape_bad),
        .cfg_m(cfg_m), .cfg_n(cfg_n), .cfg_chunks(cfg_chunks), .cfg_walk(cfg_walk), .cfg_branch(cfg_branch),
        .cfg_state(cfg_state), .cfg_state_stride(cfg_state_stride), .cfg_block_table(cfg_block_table),
        .cfg_b_base(cfg_b_base), .cfg_b_end(cfg_b_end), .cfg_out_base(cfg_out_base),
        .cfg_out_stride(cfg_out_stride), .cfg_block_cols(cfg_block_cols), .cfg_tile_rows(cfg_tile_rows),
        .cfg_entries(cfg_entries), .cfg_slots(cfg_slots), .cfg_leak(cfg_leak), .cfg_soft(cfg_soft),
        .cfg_readout(cfg_readout), .cfg_drop_once(cfg_drop_once), .cfg_late(cfg_late), .cfg_index(cfg_index),
        .cfg_carry_in(cfg_carry_in), .cfg_carry_out(cfg_carry_out), .cfg_steps(cfg_steps)
    );

    loas_record_check #(
        .T(T), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .LINE_W(LINE_W), .OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS),
        .INDEX_RATE(INDEX_RATE), .CARRY(CARRY), .POOL_COLS(POOL_COLS),
        .CONFIG0(CONFIG0), .CONFIG1(CONFIG1), .CONFIG2(CONFIG2), .CONFIG3(CONFIG3)
    ) check_inst (
        .clk(clk), .clear(state_reg == S_REQ), .step(state_reg == S_CHECK),
        .header(~begun_reg), .walk(walk_reg), .second(second_reg), .index(word_reg), .word(word),
        .image_size(size_reg), .conv(conv), .readout(cfg_readout), .carries(carries), .b_base(cfg_b_base),
        .row_bytes(row_bytes), .block_cols(cfg_block_cols), .last_word(cfg_walk[511:480]),
        .bad(bad), .bad_index(bad_index), .sum_bad(sum_bad)
    );

    loas_run_errors #(.NUM_TPPES(NUM_TPPES)) errors_inst (
        .clk(clk), .rst(rst),
        .running(running), .pending(pending_reg), .restart(start), .clear(start & ~running), .mute(soft_reset),
        .layer(layer_reg),
        .watchdog(watchdog), .progress(rd_progress | wr_progress),
        .rd_outstanding(rd_outstanding), .rd_oldest_addr(rd_oldest_addr),
        .wr_outstanding(wr_outstanding), .wr_oldest_addr(wr_oldest_addr),
        .header_bad((state_reg == S_JUDGE) & ~begun_reg & bad),
        .record_bad((state_reg == S_JUDGE) & begun_reg & (bad | sum_bad)),
        .sum_bad(sum_bad), .bad_index(bad_index), .record_addr(rec_addr_reg),
        .fit_bad((state_reg == S_FIT) & fit_bad), .shape_bad((state_reg == S_START) & shape_bad), .desc_addr(desc_reg),
        .err_bus_read(err_bus_read), .err_bus_read_addr(err_bus_read_addr),
        .err_bus_write(err_bus_write), .err_bus_write_addr(err_bus_write_addr), .err_write_pointer(err_write_pointer),
        .err_cache_pointer(err_cache_pointer), .err_cache_addr(err_cache_addr),
        .err_sched(err_sched), .err_sched_addr(err_sched_addr),
        .err_fiber_a(err_fiber_a), .err_fiber_b(err_fiber_b), .err_fiber_addr(err_fiber_addr),
        .dog(dog), .fail(fail), .error(error), .set_error(set_error),
        .err_code(err_code), .err_addr(err_addr), .err_layer(err_layer)
    );

    // ----------------------------------------------------------------------------------------------------------- FSM
    wire quiet = rd_idle & wr_idle;
    wire settled = wait_reg >= WAIT_FETCH;
    wire drained = (state_reg == S_DRAIN) & quiet & (wait_reg >= WAIT_RESET);
    wire layer_over = sched_done & comp_done & state_idle & wr_idle & (wait_reg >= WAIT_START);
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
            // a bad record fails here; a good header is followed by the first descriptor, a convolution's by its walk
            // records
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
            S_SUM:     if (wait_reg >= WAIT_EVENT) state_next = S_CMD;
            // waits for the write master to take the record's command
            S_CMD:     if (rec_cmd_ready) state_next = S_RECORD;
            // hands over the record's chunks
            S_RECORD:  if (rec_wr_ready & rec_last) state_next = S_WRITTEN;
            // waits for the answers, and for fetches that nobody read
            S_WRITTEN: if (quiet & (wait_reg >= WAIT_WRITE)) state_next = last_layer ? S_IDLE : S_SETTLE;
            default:   state_next = S_DRAIN;
        endcase
        if (fail | soft_reset) state_next = S_DRAIN;
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

        case (state_reg)
            S_RSP: if (rsp_valid) read_reg <= read_reg + 5'd1;
            S_CHECK: begin
                word_reg <= word_reg + 4'd1;
                if (!begun_reg) begin
                    if (word_reg == `LOAS_HDR_DESC_OFFSET) desc_reg   <= word;
                    if (word_reg == `LOAS_HDR_NUM_LAYERS)  layers_reg <= word[15:0];
                end
            end
            S_JUDGE: begin
                begun_reg <= 1'b1;
                if (!begun_reg) layers_reg <= layers_reg - 16'd1;
                if (!begun_reg)            rec_addr_reg <= desc_reg;
                else if (conv & ~walk_reg) rec_addr_reg <= walk_ptr;
                else if (conv)             rec_addr_reg <= cfg_walk[32*`LOAS_WALK_BRANCH +: 32];
                walk_reg   <= begun_reg & conv & (~walk_reg | (~second_reg & branches));
                second_reg <= walk_reg & ~second_reg & branches;
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
            done_reg    <= 1'b0;
            pending_reg <= ~begin_run;
        end
        if (soft_reset) begin
            pending_reg <= start;
            done_reg    <= 1'b0;
            set_done    <= 1'b0;
        end else if (fail) begin
            pending_reg <= 1'b0;
            done_reg    <= 1'b0;
            set_done    <= 1'b0;
        end

        if (rst) begin
            state_reg     <= S_IDLE;
            wait_reg      <= 5'd0;
            set_done      <= 1'b0;
            pending_reg   <= 1'b0;
            done_reg      <= 1'b0;
            layer_reg     <= 16'd0;
            base_reg      <= 32'd0;
            size_reg      <= 32'd0;
        end
    end

    assign busy      = running | pending_reg;
    assign done      = done_reg;
    assign draining  = state_reg == S_DRAIN;
    assign layer     = layer_reg;

    assign core_rst    = rst | (state_reg == S_DRAIN);
    assign flush       = state_reg == S_DRAIN;
    assign image_base  = base_reg;
    assign image_size  = size_reg;
    assign invalidate  = (state_reg == S_SETTLE) & settled & quiet;
    assign layer_start = (state_reg == S_START) & ~shape_bad;
    assign perf_run    = state_reg == S_RUN;

    assign rd_valid = state_reg == S_REQ;
    assign rd_addr  = rec_addr_reg + ({27'd0, read_reg} << LINE_B);

    assign rec_sel        = (state_reg == S_CMD) | (state_reg == S_RECORD);
    assign rec_cmd_valid  = state_reg == S_CMD;
    assign rec_cmd_chunks = CHUNKS[16:0];
    assign rec_wr_valid   = state_reg == S_RECORD;
    assign rec_wr_data    = out_reg[CHUNK_W-1:0];

    wire unused_ok = &{1'b0, CHUNKS};

endmodule

`resetall
