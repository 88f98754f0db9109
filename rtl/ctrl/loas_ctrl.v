// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// What decides: registers, control, scheduler, counters.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_bundles.vh"

// Problem: the part of the machine that knows images, layers and tasks, and holds no spikes or weights.
//
// Contract: the host's registers are at s_axil_* (loas_axil_regs). A run goes layer by layer (loas_control):
// layer_start pulses with cfg_lane and cfg_output, which are stable until the next layer. Tasks go out at task_*
// (loas_scheduler). The layer is over when the scheduler is done, output_done and output_idle are high and the write
// master is idle. One cache port for control and scheduler, which are never active together; with DEEP a skid buffer
// before it. core_rst resets everything but this unit's registers and control and the AXI masters, also after an error;
// with DEEP core_rst and invalidate come a cycle late, since they go everywhere and what could meet them comes later
// still. Bundles are in loas_bundles.vh.
//
//   s_axil -> registers <-> control -> scheduler -> task
//                 ^            |
//     ev ---> counters         '-> layer, performance record
module loas_ctrl #(
    parameter integer NUM_TPPES   = 2,
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 32,
    parameter integer SLICE_W     = 8,
    parameter integer WEIGHT_W    = 8,
    parameter integer K_MAX       = 512,
    parameter integer DEEP        = 0,
    parameter integer LINE_W      = 128,
    parameter integer CACHE_LINES = 16,
    parameter integer OUT_ENTRIES = 256,
    parameter integer NUM_SLOTS   = 8,
    parameter integer INDEX_RATE  = 2,
    parameter integer CARRY       = 1,
    parameter integer POOL_COLS   = 64,
    parameter integer CACHE_W     = 2,    // of numbers of cache ports
    parameter integer BYTES_W     = 3,    // of bytes of a beat
    parameter [31:0]  CONFIG0     = 0,    // what the registers say, and the first four a header must
    parameter [31:0]  CONFIG1     = 0,
    parameter [31:0]  CONFIG2     = 0,
    parameter [31:0]  CONFIG3     = 0,
    parameter [31:0]  CONFIG4     = 0,
    parameter [31:0]  CONFIG5     = 0
) (
    input  wire                               clk,
    input  wire                               rst,

    // registers
    input  wire [11:0]                         s_axil_awaddr,
    input  wire                                s_axil_awvalid,
    output wire                                s_axil_awready,
    input  wire [31:0]                         s_axil_wdata,
    input  wire [3:0]                          s_axil_wstrb,
    input  wire                                s_axil_wvalid,
    output wire                                s_axil_wready,
    output wire [1:0]                          s_axil_bresp,
    output wire                                s_axil_bvalid,
    input  wire                                s_axil_bready,
    input  wire [11:0]                         s_axil_araddr,
    input  wire                                s_axil_arvalid,
    output wire                                s_axil_arready,
    output wire [31:0]                         s_axil_rdata,
    output wire [1:0]                          s_axil_rresp,
    output wire                                s_axil_rvalid,
    input  wire                                s_axil_rready,
    output wire                               irq,

    // to everyone
    output wire                               core_rst,
    output wire                               flush,
    output wire                               invalidate,
    output wire [31:0]                        image_base,
    output wire [31:0]                        image_size,
    output wire                               layer_start,
    output wire [`LOAS_LANE_CFG_W+$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_lane,
    output wire [`LOAS_OUTPUT_CFG_W-1:0]      cfg_output,

    // tasks, and slots of the output buffer
    output wire [NUM_TPPES-1:0]               task_valid,
    input  wire [NUM_TPPES-1:0]               task_ready,
    output wire [`LOAS_TASK_W+$clog2(NUM_SLOTS)+$clog2(OUT_ENTRIES)-1:0] task_data,
    output wire                               alloc_valid,
    output wire [$clog2(NUM_SLOTS)-1:0]       alloc_slot,
    input  wire                               slot_free_valid,
    input  wire [$clog2(NUM_SLOTS)-1:0]       slot_free,

    // cache port
    output wire                               rd_valid,
    input  wire                               rd_ready,
    output wire [31:0]                        rd_addr,
    output wire                               rd_keep,
    output wire                               rd_fetch,
    input  wire                               rsp_valid,
    input  wire [LINE_W-1:0]                  rsp_data,

    // performance record
    output wire                               rec_sel,
    output wire                               rec_cmd_valid,
    input  wire                               rec_cmd_ready,
    output wire [31:0]                        rec_cmd_addr,
    output wire [16:0]                        rec_cmd_chunks,
    output wire                               rec_wr_valid,
    input  wire                               rec_wr_ready,
    output wire [CHUNK_W-1:0]                 rec_wr_data,

    // how the others are
    input  wire                               output_done,
    input  wire                               output_idle,
    input  wire [`LOAS_MEMORY_STATUS_W-1:0]   status,
    input  wire [NUM_TPPES-1:0]               err_fiber_a,
    input  wire [NUM_TPPES-1:0]               err_fiber_b,
    input  wire [NUM_TPPES*32-1:0]            err_fiber_addr,
    input  wire [NUM_TPPES*`LOAS_LANE_EV_W-1:0] ev_lane,
    input  wire [3*CACHE_W+2*BYTES_W-1:0]     ev_memory,
    input  wire                               ev_row
);

    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer SLOT_W   = $clog2(NUM_SLOTS);
    localparam integer ADDR_W   = $clog2(OUT_ENTRIES);

    // --------------------------------------------------------------------------------------------------------- bundles
    wire [CHUNKS_W-1:0] cfg_chunks;
    wire [511:0]        cfg_walk, cfg_branch;
    wire [31:0]         cfg_state, cfg_state_stride, cfg_block_table, cfg_b_base, cfg_b_end;
    wire [31:0]         cfg_out_base, cfg_out_stride;
    wire [23:0]         cfg_m;
    wire [16:0]         cfg_n, cfg_entries;
    wire [10:0]         cfg_block_cols;
    wire [8:0]          cfg_leak;
    wire [7:0]          cfg_tile_rows, cfg_slots;
    wire [4:0]          cfg_steps;
    wire                cfg_index, cfg_carry_in, cfg_carry_out, cfg_soft, cfg_late, cfg_readout, cfg_drop_once;
    assign cfg_lane   = `LOAS_LANE_CFG_FIELDS;
    assign cfg_output = `LOAS_OUTPUT_CFG_FIELDS;

    wire [31:0]         task_a_addr, task_a_addr2, task_state, task_params, task_masks, task_weights, task_nnz;
    wire [17:0]         task_y, task_x, task_y2, task_x2;
    wire [10:0]         task_cols;
    wire [SLOT_W-1:0]   task_slot;
    wire [ADDR_W-1:0]   task_out_addr;
    assign task_data = `LOAS_TASK_FIELDS;

    wire                rd_idle, rd_outstanding, rd_progress, wr_idle, wr_outstanding, wr_progress;
    wire [31:0]         rd_oldest_addr, wr_oldest_addr;
    wire                err_bus_read, err_bus_write, err_write_pointer, err_cache_pointer;
    wire [31:0]         err_bus_read_addr, err_bus_write_addr, err_cache_addr;
    assign `LOAS_MEMORY_STATUS_FIELDS = status;

    wire [CACHE_W-1:0]  ev_hits, ev_misses, ev_fetches;
    wire [BYTES_W-1:0]  ev_bytes_read, ev_bytes_written;
    assign `LOAS_MEMORY_EV_FIELDS = ev_memory;

    // the counters take events of a kind together
    wire [NUM_TPPES-1:0] ev_match, ev_empty, ev_stall_a, ev_stall_b, ev_stall_weight, ev_stall_laggy, ev_stall_out;
    wire [NUM_TPPES-1:0] ev_idle, ev_correction;
    genvar p;
    generate
        for (p = 0; p < NUM_TPPES; p = p + 1) begin : gen_ev
            wire [`LOAS_LANE_EV_W-1:0] mine = ev_lane[`LOAS_LANE_EV_W*p +: `LOAS_LANE_EV_W];
            assign {ev_match[p], ev_empty[p], ev_stall_a[p], ev_stall_b[p], ev_stall_weight[p],
                    ev_stall_laggy[p], ev_stall_out[p], ev_idle[p], ev_correction[p]} = mine;
        end
    endgenerate

    // ------------------------------------------------------------------------------------------- registers and control
    wire          start, soft_reset, busy, done, error, draining, set_done, set_error;
    wire [31:0]   reg_image_base, reg_image_size, watchdog, err_addr;
    wire [3:0]    err_code;
    wire [15:0]   err_layer, layer;
    wire [1023:0] counters;
    wire          core_rst_now, invalidate_now, perf_run;
    wire          ctl_rd_valid, sch_rd_valid, sch_rd_fetch, shared_ready;
    wire [31:0]   ctl_rd_addr, sch_rd_addr;
    wire          sched_done, err_sched;
    wire [31:0]   err_sched_addr;

    loas_axil_regs #(
        .CONFIG0(CONFIG0),
        .CONFIG1(CONFIG1),
        .CONFIG2(CONFIG2),
        .CONFIG3(CONFIG3),
        .CONFIG4(CONFIG4),
        .CONFIG5(CONFIG5)
    ) regs_inst (
        .clk            (clk),
        .rst            (rst),
        .s_axil_awaddr  (s_axil_awaddr),
        .s_axil_awvalid (s_axil_awvalid),
        .s_axil_awready (s_axil_awready),
        .s_axil_wdata   (s_axil_wdata),
        .s_axil_wstrb   (s_axil_wstrb),
        .s_axil_wvalid  (s_axil_wvalid),
        .s_axil_wready  (s_axil_wready),
        .s_axil_bresp   (s_axil_bresp),
        .s_axil_bvalid  (s_axil_bvalid),
        .s_axil_bready  (s_axil_bready),
        .s_axil_araddr  (s_axil_araddr),
        .s_axil_arvalid (s_axil_arvalid),
        .s_axil_arready (s_axil_arready),
        .s_axil_rdata   (s_axil_rdata),
        .s_axil_rresp   (s_axil_rresp),
        .s_axil_rvalid  (s_axil_rvalid),
        .s_axil_rready  (s_axil_rready),
        .start          (start),
        .soft_reset     (soft_reset),
        .image_base     (reg_image_base),
        .image_size     (reg_image_size),
        .watchdog       (watchdog),
        .busy           (busy),
        .done           (done),
        .error          (error),
        .draining       (draining),
        .set_done       (set_done),
        .set_error      (set_error),
        .err_code       (err_code),
        .err_addr       (err_addr),
        .err_layer      (err_layer),
        .layer          (layer),
        .perf           (counters),
        .irq            (irq)
    );

    loas_control #(
        .NUM_TPPES(NUM_TPPES),
        .T(T),
        .CHUNK_W(CHUNK_W),
        .SLICE_W(SLICE_W),
        .K_MAX(K_MAX),
        .LINE_W(LINE_W),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .INDEX_RATE(INDEX_RATE),
        .CARRY(CARRY),
        .POOL_COLS(POOL_COLS),
        .CONFIG0(CONFIG0),
        .CONFIG1(CONFIG1),
        .CONFIG2(CONFIG2),
        .CONFIG3(CONFIG3)
    ) control_inst (
        .clk                (clk),
        .rst                (rst),
        .start              (start),
        .soft_reset         (soft_reset),
        .image_base_in      (reg_image_base),
        .image_size_in      (reg_image_size),
        .watchdog           (watchdog),
        .busy               (busy),
        .done               (done),
        .error              (error),
        .draining           (draining),
        .set_done           (set_done),
        .set_error          (set_error),
        .err_code           (err_code),
        .err_addr           (err_addr),
        .err_layer          (err_layer),
        .layer              (layer),
        .core_rst           (core_rst_now),
        .flush              (flush),
        .image_base         (image_base),
        .image_size         (image_size),
        .invalidate         (invalidate_now),
        .layer_start        (layer_start),
        .perf_run           (perf_run),
        .sched_done         (sched_done),
        .comp_done          (output_done),
        .state_idle         (output_idle),
        .cfg_m              (cfg_m),
        .cfg_n              (cfg_n),
        .cfg_chunks         (cfg_chunks),
        .cfg_walk           (cfg_walk),
        .cfg_branch         (cfg_branch),
        .cfg_state          (cfg_state),
        .cfg_state_stride   (cfg_state_stride),
        .cfg_block_table    (cfg_block_table),
        .cfg_b_base         (cfg_b_base),
        .cfg_b_end          (cfg_b_end),
        .cfg_out_base       (cfg_out_base),
        .cfg_out_stride     (cfg_out_stride),
        .cfg_block_cols     (cfg_block_cols),
        .cfg_tile_rows      (cfg_tile_rows),
        .cfg_entries        (cfg_entries),
        .cfg_slots          (cfg_slots),
        .cfg_leak           (cfg_leak),
        .cfg_soft           (cfg_soft),
        .cfg_readout        (cfg_readout),
        .cfg_drop_once      (cfg_drop_once),
        .cfg_late           (cfg_late),
        .cfg_index          (cfg_index),
        .cfg_carry_in       (cfg_carry_in),
        .cfg_carry_out      (cfg_carry_out),
        .cfg_steps          (cfg_steps),
        .rd_valid           (ctl_rd_valid),
        .rd_ready           (shared_ready),
        .rd_addr            (ctl_rd_addr),
        .rsp_valid          (rsp_valid),
        .rsp_data           (rsp_data),
        .counters           (counters),
        .rec_sel            (rec_sel),
        .rec_cmd_valid      (rec_cmd_valid),
        .rec_cmd_ready      (rec_cmd_ready),
        .rec_cmd_addr       (rec_cmd_addr),
        .rec_cmd_chunks     (rec_cmd_chunks),
        .rec_wr_valid       (rec_wr_valid),
        .rec_wr_ready       (rec_wr_ready),
        .rec_wr_data        (rec_wr_data),
        .rd_idle            (rd_idle),
        .rd_outstanding     (rd_outstanding),
        .rd_oldest_addr     (rd_oldest_addr),
        .rd_progress        (rd_progress),
        .wr_idle            (wr_idle),
        .wr_outstanding     (wr_outstanding),
        .wr_oldest_addr     (wr_oldest_addr),
        .wr_progress        (wr_progress),
        .err_bus_read       (err_bus_read),
        .err_bus_read_addr  (err_bus_read_addr),
        .err_bus_write      (err_bus_write),
        .err_bus_write_addr (err_bus_write_addr),
        .err_write_pointer  (err_write_pointer),
        .err_cache_pointer  (err_cache_pointer),
        .err_cache_addr     (err_cache_addr),
        .err_sched          (err_sched),
        .err_sched_addr     (err_sched_addr),
        .err_fiber_a        (err_fiber_a),
        .err_fiber_b        (err_fiber_b),
        .err_fiber_addr     (err_fiber_addr)
    );

    generate
        if (DEEP != 0) begin : gen_core_rst_cut
            reg core_rst_reg, invalidate_reg;
            assign core_rst   = core_rst_reg;
            assign invalidate = invalidate_reg;
            always @(posedge clk) begin
                core_rst_reg   <= core_rst_now;
                invalidate_reg <= invalidate_now;
            end
        end else begin : gen_core_rst
            assign core_rst   = core_rst_now;
            assign invalidate = invalidate_now;
        end
    endgenerate

    // ------------------------------------------------------------------------------------------ scheduler and counters
    loas_scheduler #(
        .NUM_TPPES(NUM_TPPES),
        .CHUNK_W(CHUNK_W),
        .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W),
        .LINE_W(LINE_W),
        .CACHE_LINES(CACHE_LINES),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .DEEP(DEEP)
    ) scheduler_inst (
        .clk             (clk),
        .rst             (core_rst),
        .layer_start     (layer_start),
        .done            (sched_done),
        .cfg_m           (cfg_m),
        .cfg_n           (cfg_n),
        .cfg_walk        (cfg_walk),
        .cfg_branch      (cfg_branch),
        .cfg_state       (cfg_state),
        .cfg_block_table (cfg_block_table),
        .cfg_b_base      (cfg_b_base),
        .cfg_b_end       (cfg_b_end),
        .cfg_block_cols  (cfg_block_cols),
        .cfg_tile_rows   (cfg_tile_rows),
        .cfg_entries     (cfg_entries),
        .cfg_readout     (cfg_readout),
        .rd_valid        (sch_rd_valid),
        .rd_ready        (shared_ready),
        .rd_addr         (sch_rd_addr),
        .rd_fetch        (sch_rd_fetch),
        .rsp_valid       (rsp_valid),
        .rsp_data        (rsp_data),
        .alloc_valid     (alloc_valid),
        .alloc_slot      (alloc_slot),
        .slot_free_valid (slot_free_valid),
        .slot_free       (slot_free),
        .task_valid      (task_valid),
        .task_ready      (task_ready),
        .task_a_addr     (task_a_addr),
        .task_y          (task_y),
        .task_x          (task_x),
        .task_a_addr2    (task_a_addr2),
        .task_y2         (task_y2),
        .task_x2         (task_x2),
        .task_state      (task_state),
        .task_params     (task_params),
        .task_masks      (task_masks),
        .task_weights    (task_weights),
        .task_nnz        (task_nnz),
        .task_cols       (task_cols),
        .task_slot       (task_slot),
        .task_out_addr   (task_out_addr),
        .err             (err_sched),
        .err_addr        (err_sched_addr)
    );

    loas_perf #(
        .NUM_TPPES(NUM_TPPES),
        .CACHE_W(CACHE_W),
        .BYTES_W(BYTES_W),
        .DEEP(DEEP)
    ) perf_inst (
        .clk              (clk),
        .rst              (rst),
        .clear            (layer_start),
        .run              (perf_run),
        .ev_match         (ev_match),
        .ev_empty         (ev_empty),
        .ev_stall_a       (ev_stall_a),
        .ev_stall_b       (ev_stall_b),
        .ev_stall_weight  (ev_stall_weight),
        .ev_stall_laggy   (ev_stall_laggy),
        .ev_stall_out     (ev_stall_out),
        .ev_idle          (ev_idle),
        .ev_correction    (ev_correction),
        .ev_hits          (ev_hits),
        .ev_misses        (ev_misses),
        .ev_fetches       (ev_fetches),
        .ev_bytes_read    (ev_bytes_read),
        .ev_bytes_written (ev_bytes_written),
        .ev_row           (ev_row),
        .counters         (counters)
    );

    // -------------------------------------------------------------------------------------------------- the cache port
    assign rd_keep = 1'b0;

    loas_cut #(.W(33), .CUT(DEEP)) shared_cut_inst (
        .clk(clk), .rst(core_rst),
        .s_valid(ctl_rd_valid | sch_rd_valid), .s_ready(shared_ready),
        .s_data({~ctl_rd_valid & sch_rd_fetch, ctl_rd_valid ? ctl_rd_addr : sch_rd_addr}),
        .m_valid(rd_valid), .m_ready(rd_ready), .m_data({rd_fetch, rd_addr})
    );

endmodule

`resetall
