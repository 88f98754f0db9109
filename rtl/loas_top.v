// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The whole machine: registers, control, TPPEs, output path, cache and AXI masters.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: everything of the LoAS machine behind one AXI4-Lite register port, one AXI4 memory port and an interrupt.
//
// Contract: parameters have the names of spec/configs.toml; illegal ones stop the build (loas_param_check). `rst` is
// synchronous and active high. All addresses inside are byte offsets in the image; only the AXI masters add IMAGE_BASE.
// Cache requester NUM_TPPES is shared by control and scheduler, which are never active together; the write master is
// shared by compressor and control in the same way.
module loas_top #(
    parameter integer T           = 4,    // timesteps computed in parallel: accumulators and P-LIF stages of every TPPE
    parameter integer NUM_TPPES   = 2,    // processing elements: nearly all of the area outside the cache
    parameter integer CHUNK_W     = 32,   // bits of a bitmask chunk: width of the inner join
    parameter integer WINDOW      = 2,    // chunks that an inner join looks at in a cycle
    parameter integer SLICE_W     = 8,    // adders of a laggy prefix sum, neurons of an output entry
    parameter integer WEIGHT_W    = 8,    // bits of a weight
    parameter integer ACC_W       = 16,   // bits of the pseudo- and correction accumulators
    parameter integer MEM_W       = 24,   // bits of membrane, bias and threshold
    parameter integer K_MAX       = 512,  // longest fiber: row buffers of every TPPE, FIFOs of the compressor
    parameter integer LAGGY       = 1,    // 1: speculation and a laggy prefix sum over A; 0: two fast prefix sums
    parameter integer SEQUENTIAL  = 0,    // 1: timesteps one after the other: SparTen-SNN, to compare with; LAGGY must be 0
    parameter integer DEEP        = 0,    // 1: more pipeline stages, for the slow wires of an FPGA
    parameter integer FIFO_DEPTH  = 8,    // match position and weight FIFOs of a TPPE
    parameter integer INDEX_RATE  = 2,    // bytes of index code decoded a cycle in every TPPE; 0: bitmasks only
    parameter integer CARRY       = 1,    // 1: membranes are carried between chunks of timesteps: a multiplier and 64 words a TPPE
    parameter integer AXI_W       = 32,   // data bits of the memory port
    parameter integer LINE_W      = 128,  // bits of a cache line: width of crossbar and line buffers
    parameter integer NUM_BANKS   = 2,    // cache look-ups a cycle
    parameter integer NUM_WAYS    = 2,    // tags compared in a look-up
    parameter integer NUM_SETS    = 4,    // sets of a bank
    parameter integer OUTSTANDING = 4,    // line reads in flight on AXI
    parameter integer OUT_ENTRIES = 256,  // output buffer: a RAM of as many entries
    parameter integer NUM_SLOTS   = 8     // output rows in flight: a few counters each
) (
    input  wire               clk,
    input  wire               rst,

    // registers: AXI4-Lite
    input  wire [11:0]        s_axil_awaddr,
    input  wire               s_axil_awvalid,
    output wire               s_axil_awready,
    input  wire [31:0]        s_axil_wdata,
    input  wire [3:0]         s_axil_wstrb,
    input  wire               s_axil_wvalid,
    output wire               s_axil_wready,
    output wire [1:0]         s_axil_bresp,
    output wire               s_axil_bvalid,
    input  wire               s_axil_bready,
    input  wire [11:0]        s_axil_araddr,
    input  wire               s_axil_arvalid,
    output wire               s_axil_arready,
    output wire [31:0]        s_axil_rdata,
    output wire [1:0]         s_axil_rresp,
    output wire               s_axil_rvalid,
    input  wire               s_axil_rready,

    // memory: AXI4
    output wire               m_axi_arid,
    output wire [31:0]        m_axi_araddr,
    output wire [7:0]         m_axi_arlen,
    output wire [2:0]         m_axi_arsize,
    output wire [1:0]         m_axi_arburst,
    output wire               m_axi_arvalid,
    input  wire               m_axi_arready,
    input  wire               m_axi_rid,
    input  wire [AXI_W-1:0]   m_axi_rdata,
    input  wire [1:0]         m_axi_rresp,
    input  wire               m_axi_rlast,
    input  wire               m_axi_rvalid,
    output wire               m_axi_rready,
    output wire               m_axi_awid,
    output wire [31:0]        m_axi_awaddr,
    output wire [7:0]         m_axi_awlen,
    output wire [2:0]         m_axi_awsize,
    output wire [1:0]         m_axi_awburst,
    output wire               m_axi_awvalid,
    input  wire               m_axi_awready,
    output wire [AXI_W-1:0]   m_axi_wdata,
    output wire [AXI_W/8-1:0] m_axi_wstrb,
    output wire               m_axi_wlast,
    output wire               m_axi_wvalid,
    input  wire               m_axi_wready,
    input  wire               m_axi_bid,
    input  wire [1:0]         m_axi_bresp,
    input  wire               m_axi_bvalid,
    output wire               m_axi_bready,

    output wire               irq
);

    localparam integer NUM_PORTS = NUM_TPPES + 1;
    localparam integer CACHE_W   = $clog2(NUM_PORTS + 1);
    localparam integer BYTES_W   = $clog2(AXI_W / 8 + 1);
    localparam integer CHUNKS_W  = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer SLOT_W    = $clog2(NUM_SLOTS);
    localparam integer ADDR_W    = $clog2(OUT_ENTRIES);
    localparam integer ENTRY_W   = SLICE_W * T > 32 ? SLICE_W * T : 32;
    localparam integer COUNT_W   = $clog2(SLICE_W + 1);
    localparam integer ROW_W     = $clog2(K_MAX + 1);
    localparam integer POOL_COLS = 64;
    localparam [31:0]  CONFIG0   = T | (WEIGHT_W << 8) | (SLICE_W << 16) | (WINDOW << 24);
    localparam [31:0]  CONFIG1   = CHUNK_W | (LINE_W << 10) | (ACC_W << 22);
    localparam [31:0]  CONFIG2   = K_MAX | (MEM_W << 17);
    localparam [31:0]  CONFIG3   = OUT_ENTRIES | (NUM_SLOTS << 17);
    localparam [31:0]  CONFIG4   = AXI_W | (OUTSTANDING << 11) | (NUM_TPPES << 18) | (LAGGY << 25) | (CARRY << 26) | (INDEX_RATE << 27)
                                 | (SEQUENTIAL << 31);
    localparam [31:0]  CONFIG5   = NUM_BANKS | (NUM_WAYS << 8) | (DEEP << 15) | (NUM_SETS << 16);

    loas_param_check #(
        .T(T),
        .NUM_TPPES(NUM_TPPES),
        .CHUNK_W(CHUNK_W),
        .WINDOW(WINDOW),
        .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W),
        .ACC_W(ACC_W),
        .MEM_W(MEM_W),
        .K_MAX(K_MAX),
        .LAGGY(LAGGY),
        .SEQUENTIAL(SEQUENTIAL),
        .DEEP(DEEP),
        .FIFO_DEPTH(FIFO_DEPTH),
        .INDEX_RATE(INDEX_RATE),
        .CARRY(CARRY),
        .AXI_W(AXI_W),
        .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS),
        .NUM_WAYS(NUM_WAYS),
        .NUM_SETS(NUM_SETS),
        .OUTSTANDING(OUTSTANDING),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS)
    ) param_check_inst ();

    // -------------------------------------------------------------------------------- wires
    wire start;
    wire soft_reset;
    wire busy;
    wire done;
    wire error;
    wire draining;
    wire set_done;
    wire set_error;
    wire [31:0] reg_image_base;
    wire [31:0] reg_image_size;
    wire [31:0] watchdog;
    wire [31:0] err_addr;
    wire [3:0] err_code;
    wire [15:0] err_layer;
    wire [15:0] layer;
    wire [1023:0] counters;
    wire core_rst_now;         // DEEP: core_rst and invalidate come a cycle later
    wire core_rst;
    wire flush;
    wire invalidate_now;
    wire invalidate;
    wire layer_start;
    wire perf_run;
    wire sched_done;
    wire comp_done;
    wire [31:0] image_base;
    wire [31:0] image_size;
    wire [23:0] cfg_m;
    wire [16:0] cfg_n;
    wire [16:0] cfg_entries;
    wire [CHUNKS_W-1:0] cfg_chunks;
    wire [511:0] cfg_walk;
    wire [511:0] cfg_branch;
    wire [31:0] cfg_state;
    wire [31:0] cfg_state_stride;
    wire [31:0] cfg_block_table;
    wire [31:0] cfg_b_base;
    wire [31:0] cfg_b_end;
    wire [31:0] cfg_out_base;
    wire [31:0] cfg_out_stride;
    wire [10:0] cfg_block_cols;
    wire [7:0] cfg_tile_rows;
    wire [7:0] cfg_slots;
    wire [8:0] cfg_leak;
    wire cfg_soft;
    wire cfg_readout;
    wire cfg_drop_once;
    wire cfg_late;
    wire cfg_index;
    wire cfg_carry_in;
    wire cfg_carry_out;
    wire [4:0] cfg_steps;

    wire ctl_rd_valid;
    wire sch_rd_valid;
    wire sch_rd_fetch;
    wire [31:0] ctl_rd_addr;
    wire [31:0] sch_rd_addr;
    wire shared_valid;         // the last port is control's and the scheduler's, never at the same time
    wire shared_ready;
    wire shared_fetch;
    wire [31:0] shared_addr;
    wire [NUM_PORTS-1:0] rd_valid;
    wire [NUM_PORTS-1:0] rd_ready;
    wire [NUM_PORTS-1:0] rd_keep;
    wire [NUM_PORTS-1:0] rd_fetch;
    wire [NUM_PORTS-1:0] rsp_valid;
    wire [NUM_PORTS*32-1:0] rd_addr;
    wire [NUM_PORTS*LINE_W-1:0] rsp_data;
    wire fill_valid;
    wire fill_ready;
    wire fill_rsp_valid;
    wire [31:0] fill_addr;
    wire [LINE_W-1:0] fill_rsp_data;
    wire [CACHE_W-1:0] ev_hits;
    wire [CACHE_W-1:0] ev_misses;
    wire [CACHE_W-1:0] ev_fetches;
    wire [BYTES_W-1:0] ev_bytes_read;
    wire [BYTES_W-1:0] ev_bytes_written;

    wire axi_rd_idle;
    wire axi_rd_outstanding;
    wire axi_rd_progress;
    wire axi_wr_idle;
    wire axi_wr_outstanding;
    wire axi_wr_progress;
    wire [31:0] axi_rd_oldest_addr;
    wire [31:0] axi_wr_oldest_addr;
    wire err_bus_read;
    wire err_bus_write;
    wire err_write_pointer;
    wire err_cache_pointer;
    wire err_sched;
    wire [31:0] err_bus_read_addr;
    wire [31:0] err_bus_write_addr;
    wire [31:0] err_cache_addr;
    wire [31:0] err_sched_addr;
    wire [NUM_TPPES-1:0] err_fiber_a;
    wire [NUM_TPPES-1:0] err_fiber_b;
    wire [NUM_TPPES*32-1:0] err_fiber_addr;

    wire [NUM_TPPES-1:0] task_valid;
    wire [NUM_TPPES-1:0] task_ready;
    wire [31:0] task_a_addr;
    wire [17:0] task_y;
    wire [17:0] task_x;
    wire [31:0] task_a_addr2;
    wire [17:0] task_y2;
    wire [17:0] task_x2;
    wire [31:0] task_state;
    wire [31:0] task_params;
    wire [31:0] task_masks;
    wire [31:0] task_weights;
    wire [31:0] task_nnz;
    wire [10:0] task_cols;
    wire [SLOT_W-1:0] task_slot;
    wire [ADDR_W-1:0] task_out_addr;
    wire [NUM_TPPES-1:0] ev_match;
    wire [NUM_TPPES-1:0] ev_empty;
    wire [NUM_TPPES-1:0] ev_stall_a;
    wire [NUM_TPPES-1:0] ev_stall_b;
    wire [NUM_TPPES-1:0] ev_stall_weight;
    wire [NUM_TPPES-1:0] ev_stall_laggy;
    wire [NUM_TPPES-1:0] ev_stall_out;
    wire [NUM_TPPES-1:0] ev_idle;
    wire [NUM_TPPES-1:0] ev_correction;

    wire alloc_valid;
    wire slot_free_valid;
    wire row_valid;
    wire buf_rd_en;
    wire ev_row;
    wire [SLOT_W-1:0] alloc_slot;
    wire [SLOT_W-1:0] slot_free;
    wire [SLOT_W-1:0] row_slot;
    wire [ROW_W-1:0] row_count;
    wire [ADDR_W-1:0] buf_rd_addr;
    wire [ENTRY_W-1:0] buf_rd_data;
    wire [NUM_TPPES-1:0] ent_valid;
    wire [NUM_TPPES-1:0] ent_ready;
    wire [NUM_TPPES*SLOT_W-1:0] ent_slot;
    wire [NUM_TPPES*ADDR_W-1:0] ent_addr;
    wire [NUM_TPPES*ENTRY_W-1:0] ent_data;
    wire [NUM_TPPES*COUNT_W-1:0] ent_count;

    // sources of writes: the compressor, and the membranes of each TPPE
    // writers: the compressor, and behind it a state writer for each TPPE, without CARRY idle
    localparam integer WRITERS = NUM_TPPES + 1;
    localparam integer SOURCES = CARRY != 0 ? WRITERS : 1;
    wire [WRITERS-1:0] src_cmd_valid;
    wire [WRITERS-1:0] src_cmd_ready;
    wire [WRITERS*32-1:0] src_cmd_addr;
    wire [WRITERS*17-1:0] src_cmd_chunks;
    wire [WRITERS-1:0] src_wr_valid;
    wire [WRITERS-1:0] src_wr_ready;
    wire [WRITERS*CHUNK_W-1:0] src_wr_data;
    wire [NUM_TPPES-1:0] state_writer_idle;
    wire mux_idle;

    wire rec_sel;
    wire rec_cmd_valid;
    wire rec_wr_valid;
    wire cmp_cmd_valid;
    wire cmp_wr_valid;
    wire cmd_ready;
    wire wr_ready;
    wire [31:0] rec_cmd_addr;
    wire [31:0] cmp_cmd_addr;
    wire [16:0] rec_cmd_chunks;
    wire [16:0] cmp_cmd_chunks;
    wire [CHUNK_W-1:0] rec_wr_data;
    wire [CHUNK_W-1:0] cmp_wr_data;
    wire out_valid;
    wire out_ready;
    wire [CHUNK_W-1:0] out_data;

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
        .comp_done          (comp_done),
        .state_idle         (&state_writer_idle & mux_idle),
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
        .rsp_valid          (rsp_valid[NUM_TPPES]),
        .rsp_data           (rsp_data[NUM_TPPES*LINE_W +: LINE_W]),
        .counters           (counters),
        .rec_sel            (rec_sel),
        .rec_cmd_valid      (rec_cmd_valid),
        .rec_cmd_ready      (cmd_ready),
        .rec_cmd_addr       (rec_cmd_addr),
        .rec_cmd_chunks     (rec_cmd_chunks),
        .rec_wr_valid       (rec_wr_valid),
        .rec_wr_ready       (wr_ready),
        .rec_wr_data        (rec_wr_data),
        .rd_idle            (axi_rd_idle),
        .rd_outstanding     (axi_rd_outstanding),
        .rd_oldest_addr     (axi_rd_oldest_addr),
        .rd_progress        (axi_rd_progress),
        .wr_idle            (axi_wr_idle),
        .wr_outstanding     (axi_wr_outstanding),
        .wr_oldest_addr     (axi_wr_oldest_addr),
        .wr_progress        (axi_wr_progress),
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

    loas_scheduler #(
        .NUM_TPPES(NUM_TPPES),
        .CHUNK_W(CHUNK_W),
        .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W),
        .LINE_W(LINE_W),
        .CACHE_LINES(NUM_BANKS * NUM_WAYS * NUM_SETS),
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
        .rsp_valid       (rsp_valid[NUM_TPPES]),
        .rsp_data        (rsp_data[NUM_TPPES*LINE_W +: LINE_W]),
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

    // ------------------------------------------------------------------------------------- TPPEs and their output path
    genvar p;
    generate
        for (p = 0; p < NUM_TPPES; p = p + 1) begin : gen_tppe
            wire sum_valid;
            wire sum_ready;
            wire sum_last;
            wire sum_pool_first;
            wire sum_pool_last;
            wire [31:0] sum_state;
            wire [31:0] sum_state_addr;
            wire [T*ACC_W-1:0] sum_data;
            wire [MEM_W-1:0] sum_bias;
            wire [MEM_W-1:0] sum_threshold;
            wire [SLOT_W-1:0] sum_slot;
            wire [ADDR_W-1:0] sum_out_addr;

            loas_tppe #(
                .T(T),
                .CHUNK_W(CHUNK_W),
                .WINDOW(WINDOW),
                .SLICE_W(SLICE_W),
                .WEIGHT_W(WEIGHT_W),
                .ACC_W(ACC_W),
                .MEM_W(MEM_W),
                .K_MAX(K_MAX),
                .LAGGY(LAGGY),
                .SEQUENTIAL(SEQUENTIAL),
                .DEEP(DEEP),
                .FIFO_DEPTH(FIFO_DEPTH),
                .LINE_W(LINE_W),
                .OUT_ENTRIES(OUT_ENTRIES),
                .NUM_SLOTS(NUM_SLOTS),
                .INDEX_RATE(INDEX_RATE),
                .CARRY(CARRY)
            ) tppe_inst (
                .clk             (clk),
                .rst             (core_rst),
                .task_valid      (task_valid[p]),
                .task_ready      (task_ready[p]),
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
                .cfg_chunks      (cfg_chunks),
                .cfg_walk        (cfg_walk),
                .cfg_branch      (cfg_branch),
                .cfg_index       (cfg_index),
                .cfg_carry_in    (cfg_carry_in),
                .cfg_state_stride(cfg_state_stride),
                .rd_valid        (rd_valid[p]),
                .rd_ready        (rd_ready[p]),
                .rd_addr         (rd_addr[p*32 +: 32]),
                .rd_keep         (rd_keep[p]),
                .rd_fetch        (rd_fetch[p]),
                .rsp_valid       (rsp_valid[p]),
                .rsp_data        (rsp_data[p*LINE_W +: LINE_W]),
                .sum_valid       (sum_valid),
                .sum_ready       (sum_ready),
                .sum_data        (sum_data),
                .sum_bias        (sum_bias),
                .sum_threshold   (sum_threshold),
                .sum_state       (sum_state),
                .sum_state_addr  (sum_state_addr),
                .sum_last        (sum_last),
                .sum_pool_first  (sum_pool_first),
                .sum_pool_last   (sum_pool_last),
                .sum_slot        (sum_slot),
                .sum_out_addr    (sum_out_addr),
                .err_fiber_a     (err_fiber_a[p]),
                .err_fiber_b     (err_fiber_b[p]),
                .err_addr        (err_fiber_addr[p*32 +: 32]),
                .ev_match        (ev_match[p]),
                .ev_empty        (ev_empty[p]),
                .ev_stall_a      (ev_stall_a[p]),
                .ev_stall_b      (ev_stall_b[p]),
                .ev_stall_weight (ev_stall_weight[p]),
                .ev_stall_laggy  (ev_stall_laggy[p]),
                .ev_stall_out    (ev_stall_out[p]),
                .ev_idle         (ev_idle[p]),
                .ev_correction   (ev_correction[p])
            );

            loas_out_lane #(
                .T(T),
                .CHUNK_W(CHUNK_W),
                .SLICE_W(SLICE_W),
                .ACC_W(ACC_W),
                .MEM_W(MEM_W),
                .OUT_ENTRIES(OUT_ENTRIES),
                .NUM_SLOTS(NUM_SLOTS),
                .CARRY(CARRY),
                .POOL_COLS(POOL_COLS)
            ) lane_inst (
                .clk            (clk),
                .rst            (core_rst),
                .cfg_leak       (cfg_leak),
                .cfg_soft       (cfg_soft),
                .cfg_late       (cfg_late),
                .cfg_steps      (cfg_steps),
                .cfg_readout    (cfg_readout),
                .cfg_drop_once  (cfg_drop_once),
                .cfg_carry_out  (cfg_carry_out),
                .sum_valid      (sum_valid),
                .sum_ready      (sum_ready),
                .sum_data       (sum_data),
                .sum_bias       (sum_bias),
                .sum_threshold  (sum_threshold),
                .sum_state      (sum_state),
                .sum_state_addr (sum_state_addr),
                .sum_last       (sum_last),
                .sum_pool_first (sum_pool_first),
                .sum_pool_last  (sum_pool_last),
                .sum_slot       (sum_slot),
                .sum_out_addr   (sum_out_addr),
                .ent_valid      (ent_valid[p]),
                .ent_ready      (ent_ready[p]),
                .ent_slot       (ent_slot[p*SLOT_W +: SLOT_W]),
                .ent_addr       (ent_addr[p*ADDR_W +: ADDR_W]),
                .ent_data       (ent_data[p*ENTRY_W +: ENTRY_W]),
                .ent_count      (ent_count[p*COUNT_W +: COUNT_W]),
                .state_idle     (state_writer_idle[p]),
                .cmd_valid      (src_cmd_valid[p+1]),
                .cmd_ready      (src_cmd_ready[p+1]),
                .cmd_addr       (src_cmd_addr[32*(p+1) +: 32]),
                .cmd_chunks     (src_cmd_chunks[17*(p+1) +: 17]),
                .wr_valid       (src_wr_valid[p+1]),
                .wr_ready       (src_wr_ready[p+1]),
                .wr_data        (src_wr_data[CHUNK_W*(p+1) +: CHUNK_W])
            );
        end
    endgenerate

    loas_out_buffer #(
        .NUM_TPPES(NUM_TPPES),
        .T(T),
        .SLICE_W(SLICE_W),
        .K_MAX(K_MAX),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS)
    ) out_buffer_inst (
        .clk         (clk),
        .rst         (core_rst),
        .cfg_entries (cfg_entries[ADDR_W-1:0]),
        .alloc_valid (alloc_valid),
        .alloc_slot  (alloc_slot),
        .ent_valid   (ent_valid),
        .ent_ready   (ent_ready),
        .ent_slot    (ent_slot),
        .ent_addr    (ent_addr),
        .ent_data    (ent_data),
        .ent_count   (ent_count),
        .row_slot    (row_slot),
        .row_valid   (row_valid),
        .row_count   (row_count),
        .row_free    (slot_free_valid),
        .rd_en       (buf_rd_en),
        .rd_addr     (buf_rd_addr),
        .rd_data     (buf_rd_data)
    );

    loas_compressor #(
        .T(T),
        .CHUNK_W(CHUNK_W),
        .SLICE_W(SLICE_W),
        .K_MAX(K_MAX),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .DEEP(DEEP)
    ) compressor_inst (
        .clk             (clk),
        .rst             (core_rst),
        .layer_start     (layer_start),
        .cfg_m           (cfg_m),
        .cfg_entries     (cfg_entries[ADDR_W-1:0]),
        .cfg_slots       (cfg_slots[SLOT_W:0]),
        .cfg_readout     (cfg_readout),
        .cfg_out_base    (cfg_out_base),
        .cfg_out_stride  (cfg_out_stride),
        .done            (comp_done),
        .ev_row          (ev_row),
        .row_slot        (row_slot),
        .row_valid       (row_valid),
        .row_count       (row_count),
        .rd_en           (buf_rd_en),
        .rd_addr         (buf_rd_addr),
        .rd_data         (buf_rd_data),
        .slot_free_valid (slot_free_valid),
        .slot_free       (slot_free),
        .cmd_valid       (src_cmd_valid[0]),
        .cmd_ready       (src_cmd_ready[0]),
        .cmd_addr        (src_cmd_addr[31:0]),
        .cmd_chunks      (src_cmd_chunks[16:0]),
        .wr_valid        (src_wr_valid[0]),
        .wr_ready        (src_wr_ready[0]),
        .wr_data         (src_wr_data[CHUNK_W-1:0])
    );

    loas_write_mux #(
        .N(SOURCES),
        .CHUNK_W(CHUNK_W)
    ) write_mux_inst (
        .clk          (clk),
        .rst          (core_rst),
        .idle         (mux_idle),
        .s_cmd_valid  (src_cmd_valid[SOURCES-1:0]),
        .s_cmd_ready  (src_cmd_ready[SOURCES-1:0]),
        .s_cmd_addr   (src_cmd_addr[SOURCES*32-1:0]),
        .s_cmd_chunks (src_cmd_chunks[SOURCES*17-1:0]),
        .s_wr_valid   (src_wr_valid[SOURCES-1:0]),
        .s_wr_ready   (src_wr_ready[SOURCES-1:0]),
        .s_wr_data    (src_wr_data[SOURCES*CHUNK_W-1:0]),
        .cmd_valid    (cmp_cmd_valid),
        .cmd_ready    (cmd_ready & ~rec_sel),
        .cmd_addr     (cmp_cmd_addr),
        .cmd_chunks   (cmp_cmd_chunks),
        .wr_valid     (cmp_wr_valid),
        .wr_ready     (wr_ready & ~rec_sel),
        .wr_data      (cmp_wr_data)
    );

    generate
        if (CARRY == 0) begin : gen_idle_writers
            assign src_cmd_ready[NUM_TPPES:1] = {NUM_TPPES{1'b0}};
            assign src_wr_ready[NUM_TPPES:1]  = {NUM_TPPES{1'b0}};
            wire unused_writers = &{1'b0, src_cmd_valid, src_cmd_addr, src_cmd_chunks, src_wr_valid, src_wr_data};
        end
    endgenerate

    // ---------------------------------------------------------------------------------------------- cache and AXI masters
    assign shared_valid       = ctl_rd_valid | sch_rd_valid;
    assign shared_addr        = ctl_rd_valid ? ctl_rd_addr : sch_rd_addr;
    assign shared_fetch       = ~ctl_rd_valid & sch_rd_fetch;
    assign rd_keep[NUM_TPPES] = 1'b0;

    generate
        if (DEEP != 0) begin : gen_core_rst_cut
            // these go everywhere; what could meet them comes later still
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

    loas_cut #(.W(33), .CUT(DEEP)) shared_cut_inst (
        .clk(clk), .rst(core_rst), .s_valid(shared_valid), .s_ready(shared_ready), .s_data({shared_fetch, shared_addr}),
        .m_valid(rd_valid[NUM_TPPES]), .m_ready(rd_ready[NUM_TPPES]), .m_data({rd_fetch[NUM_TPPES], rd_addr[NUM_TPPES*32 +: 32]})
    );

    loas_fiber_cache #(
        .NUM_PORTS(NUM_PORTS),
        .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS),
        .NUM_WAYS(NUM_WAYS),
        .NUM_SETS(NUM_SETS),
        .OUTSTANDING(OUTSTANDING),
        .DEEP(DEEP)
    ) cache_inst (
        .clk            (clk),
        .rst            (core_rst),
        .image_size     (image_size),
        .invalidate     (invalidate),
        .rd_valid       (rd_valid),
        .rd_ready       (rd_ready),
        .rd_addr        (rd_addr),
        .rd_keep        (rd_keep),
        .rd_fetch       (rd_fetch),
        .rsp_valid      (rsp_valid),
        .rsp_data       (rsp_data),
        .fill_valid     (fill_valid),
        .fill_ready     (fill_ready),
        .fill_addr      (fill_addr),
        .fill_rsp_valid (fill_rsp_valid),
        .fill_rsp_data  (fill_rsp_data),
        .err_pointer    (err_cache_pointer),
        .err_addr       (err_cache_addr),
        .ev_hits        (ev_hits),
        .ev_misses      (ev_misses),
        .ev_fetches     (ev_fetches)
    );

    loas_axi_read #(
        .AXI_W(AXI_W),
        .LINE_W(LINE_W),
        .OUTSTANDING(OUTSTANDING)
    ) axi_read_inst (
        .clk            (clk),
        .rst            (rst),
        .image_base     (image_base),
        .flush          (flush),
        .idle           (axi_rd_idle),
        .outstanding    (axi_rd_outstanding),
        .oldest_addr    (axi_rd_oldest_addr),
        .progress       (axi_rd_progress),
        .ev_bytes       (ev_bytes_read),
        .err_valid      (err_bus_read),
        .err_addr       (err_bus_read_addr),
        .fill_valid     (fill_valid),
        .fill_ready     (fill_ready),
        .fill_addr      (fill_addr),
        .fill_rsp_valid (fill_rsp_valid),
        .fill_rsp_data  (fill_rsp_data),
        .m_axi_arid     (m_axi_arid),
        .m_axi_araddr   (m_axi_araddr),
        .m_axi_arlen    (m_axi_arlen),
        .m_axi_arsize   (m_axi_arsize),
        .m_axi_arburst  (m_axi_arburst),
        .m_axi_arvalid  (m_axi_arvalid),
        .m_axi_arready  (m_axi_arready),
        .m_axi_rid      (m_axi_rid),
        .m_axi_rdata    (m_axi_rdata),
        .m_axi_rresp    (m_axi_rresp),
        .m_axi_rlast    (m_axi_rlast),
        .m_axi_rvalid   (m_axi_rvalid),
        .m_axi_rready   (m_axi_rready)
    );

    // a command's chunks may wait here after its source is idle: control asks the write master too
    loas_cut #(.W(CHUNK_W), .CUT(DEEP)) write_cut_inst (
        .clk(clk), .rst(core_rst),
        .s_valid(rec_sel ? rec_wr_valid : cmp_wr_valid), .s_ready(wr_ready), .s_data(rec_sel ? rec_wr_data : cmp_wr_data),
        .m_valid(out_valid), .m_ready(out_ready), .m_data(out_data)
    );

    loas_axi_write #(
        .AXI_W(AXI_W),
        .CHUNK_W(CHUNK_W)
    ) axi_write_inst (
        .clk           (clk),
        .rst           (rst),
        .image_base    (image_base),
        .image_size    (image_size),
        .flush         (flush),
        .idle          (axi_wr_idle),
        .outstanding   (axi_wr_outstanding),
        .oldest_addr   (axi_wr_oldest_addr),
        .progress      (axi_wr_progress),
        .ev_bytes      (ev_bytes_written),
        .err_pointer   (err_write_pointer),
        .err_valid     (err_bus_write),
        .err_addr      (err_bus_write_addr),
        .cmd_valid     (rec_sel ? rec_cmd_valid : cmp_cmd_valid),
        .cmd_ready     (cmd_ready),
        .cmd_addr      (rec_sel ? rec_cmd_addr : cmp_cmd_addr),
        .cmd_chunks    (rec_sel ? rec_cmd_chunks : cmp_cmd_chunks),
        .wr_valid      (out_valid),
        .wr_ready      (out_ready),
        .wr_data       (out_data),
        .m_axi_awid    (m_axi_awid),
        .m_axi_awaddr  (m_axi_awaddr),
        .m_axi_awlen   (m_axi_awlen),
        .m_axi_awsize  (m_axi_awsize),
        .m_axi_awburst (m_axi_awburst),
        .m_axi_awvalid (m_axi_awvalid),
        .m_axi_awready (m_axi_awready),
        .m_axi_wdata   (m_axi_wdata),
        .m_axi_wstrb   (m_axi_wstrb),
        .m_axi_wlast   (m_axi_wlast),
        .m_axi_wvalid  (m_axi_wvalid),
        .m_axi_wready  (m_axi_wready),
        .m_axi_bid     (m_axi_bid),
        .m_axi_bresp   (m_axi_bresp),
        .m_axi_bvalid  (m_axi_bvalid),
        .m_axi_bready  (m_axi_bready)
    );

    wire unused_ok = &{1'b0, cfg_n, cfg_entries, cfg_slots};

endmodule

`resetall
