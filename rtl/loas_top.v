// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The whole machine: registers, control, TPPEs, output path, cache and AXI masters.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_bundles.vh"

// Problem: everything of the LoAS machine behind one AXI4-Lite register port, one AXI4 memory port and an interrupt.
//
// Contract: parameters have the names of spec/configs.toml; illegal ones stop the build (loas_param_check). `rst` is
// synchronous and active high. All addresses inside are byte offsets in the image; only the AXI masters add IMAGE_BASE.
//
//   s_axil --> loas_ctrl ---tasks---> loas_lane (NUM_TPPES) ---entries, membranes---> loas_output
//                  |  performance record  |                                                |
//                  |  '-------------------|--------------------------------------------->  |
//                  '------ reads ---------+-----------> loas_memory <------- writes -------'
//                                                            '---> m_axi
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
    // 1: timesteps one after the other: SparTen-SNN, to compare with; LAGGY must be 0
    parameter integer SEQUENTIAL  = 0,
    parameter integer DEEP        = 0,    // 1: more pipeline stages, for the slow wires of an FPGA
    parameter integer FIFO_DEPTH  = 8,    // match position and weight FIFOs of a TPPE
    parameter integer INDEX_RATE  = 2,    // bytes of index code decoded a cycle in every TPPE; 0: bitmasks only
    // 1: membranes are carried between chunks of timesteps: a multiplier and 64 words a TPPE
    parameter integer CARRY       = 1,
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
    localparam integer POOL_COLS = 64;
    localparam [31:0]  CONFIG0   = T | (WEIGHT_W << 8) | (SLICE_W << 16) | (WINDOW << 24);
    localparam [31:0]  CONFIG1   = CHUNK_W | (LINE_W << 10) | (ACC_W << 22);
    localparam [31:0]  CONFIG2   = K_MAX | (MEM_W << 17);
    localparam [31:0]  CONFIG3   = OUT_ENTRIES | (NUM_SLOTS << 17);
    localparam [31:0]  CONFIG4   = AXI_W | (OUTSTANDING << 11) | (NUM_TPPES << 18) | (LAGGY << 25) | (CARRY << 26)
        | (INDEX_RATE << 27)
                                 | (SEQUENTIAL << 31);
    localparam [31:0]  CONFIG5   = NUM_BANKS | (NUM_WAYS << 8) | (DEEP << 15) | (NUM_SETS << 16);

    loas_param_check #(
        .T(T), .NUM_TPPES(NUM_TPPES), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W),
        .ACC_W(ACC_W), .MEM_W(MEM_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .SEQUENTIAL(SEQUENTIAL), .DEEP(DEEP),
        .FIFO_DEPTH(FIFO_DEPTH), .INDEX_RATE(INDEX_RATE), .CARRY(CARRY), .AXI_W(AXI_W), .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS), .NUM_WAYS(NUM_WAYS), .NUM_SETS(NUM_SETS), .OUTSTANDING(OUTSTANDING),
        .OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS)
    ) param_check_inst ();

    // ----------------------------------------------------------------------------------------------------------- wires
    wire                           core_rst, flush, invalidate, layer_start;
    wire [31:0]                    image_base, image_size;
    wire [`LOAS_LANE_CFG_W+CHUNKS_W-1:0] cfg_lane;
    wire [`LOAS_OUTPUT_CFG_W-1:0]  cfg_output;

    // tasks, and slots of the output buffer
    wire [NUM_TPPES-1:0]           task_valid, task_ready;
    wire [`LOAS_TASK_W+SLOT_W+ADDR_W-1:0] task_data;
    wire                           alloc_valid, slot_free_valid;
    wire [SLOT_W-1:0]              alloc_slot, slot_free;

    // reads: one port for each lane, the last one for control and scheduler
    wire [NUM_PORTS-1:0]           rd_valid, rd_ready, rd_keep, rd_fetch, rsp_valid;
    wire [NUM_PORTS*32-1:0]        rd_addr;
    wire [NUM_PORTS*LINE_W-1:0]    rsp_data;

    // entries of the output, and membranes
    wire [NUM_TPPES-1:0]           ent_valid, ent_ready;
    wire [NUM_TPPES*SLOT_W-1:0]    ent_slot;
    wire [NUM_TPPES*ADDR_W-1:0]    ent_addr;
    wire [NUM_TPPES*ENTRY_W-1:0]   ent_data;
    wire [NUM_TPPES*COUNT_W-1:0]   ent_count;
    wire [NUM_TPPES-1:0]           state_idle, state_cmd_valid, state_cmd_ready, state_wr_valid, state_wr_ready;
    wire [NUM_TPPES*32-1:0]        state_cmd_addr;
    wire [NUM_TPPES*17-1:0]        state_cmd_chunks;
    wire [NUM_TPPES*CHUNK_W-1:0]   state_wr_data;

    // writes: the performance record, and all of them
    wire                           rec_sel, rec_cmd_valid, rec_cmd_ready, rec_wr_valid, rec_wr_ready;
    wire [31:0]                    rec_cmd_addr;
    wire [16:0]                    rec_cmd_chunks;
    wire [CHUNK_W-1:0]             rec_wr_data;
    wire                           cmd_valid, cmd_ready, wr_valid, wr_ready;
    wire [31:0]                    cmd_addr;
    wire [16:0]                    cmd_chunks;
    wire [CHUNK_W-1:0]             wr_data;

    // what the control has to know of the others
    wire                           output_done, output_idle, ev_row;
    wire [`LOAS_MEMORY_STATUS_W-1:0] status;
    wire [NUM_TPPES-1:0]           err_fiber_a, err_fiber_b;
    wire [NUM_TPPES*32-1:0]        err_fiber_addr;
    wire [NUM_TPPES*`LOAS_LANE_EV_W-1:0] ev_lane;
    wire [3*CACHE_W+2*BYTES_W-1:0] ev_memory;

    // ----------------------------------------------------------------------------------------------------------- units
    loas_ctrl #(
        .NUM_TPPES(NUM_TPPES), .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .K_MAX(K_MAX),
        .DEEP(DEEP), .LINE_W(LINE_W),
        .CACHE_LINES(NUM_BANKS * NUM_WAYS * NUM_SETS),
        .OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS), .INDEX_RATE(INDEX_RATE), .CARRY(CARRY),
        .POOL_COLS(POOL_COLS), .CACHE_W(CACHE_W), .BYTES_W(BYTES_W), .CONFIG0(CONFIG0), .CONFIG1(CONFIG1),
        .CONFIG2(CONFIG2), .CONFIG3(CONFIG3), .CONFIG4(CONFIG4), .CONFIG5(CONFIG5)
    ) ctrl_inst (
        .clk(clk), .rst(rst),
        .s_axil_awaddr(s_axil_awaddr), .s_axil_awvalid(s_axil_awvalid), .s_axil_awready(s_axil_awready),
        .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb), .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready), .s_axil_bresp(s_axil_bresp), .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_araddr(s_axil_araddr), .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready),
        .s_axil_rdata(s_axil_rdata), .s_axil_rresp(s_axil_rresp), .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .irq(irq),
        .core_rst(core_rst), .flush(flush), .invalidate(invalidate), .image_base(image_base),
        .image_size(image_size), .layer_start(layer_start), .cfg_lane(cfg_lane), .cfg_output(cfg_output),
        .task_valid(task_valid), .task_ready(task_ready), .task_data(task_data), .alloc_valid(alloc_valid),
        .alloc_slot(alloc_slot), .slot_free_valid(slot_free_valid), .slot_free(slot_free),
        .rd_valid(rd_valid[NUM_TPPES]), .rd_ready(rd_ready[NUM_TPPES]), .rd_keep(rd_keep[NUM_TPPES]),
        .rd_fetch(rd_fetch[NUM_TPPES]),
        .rd_addr(rd_addr[32*NUM_TPPES +: 32]), .rsp_valid(rsp_valid[NUM_TPPES]),
        .rsp_data(rsp_data[LINE_W*NUM_TPPES +: LINE_W]),
        .rec_sel(rec_sel), .rec_cmd_valid(rec_cmd_valid), .rec_cmd_ready(rec_cmd_ready), .rec_cmd_addr(rec_cmd_addr),
        .rec_cmd_chunks(rec_cmd_chunks), .rec_wr_valid(rec_wr_valid), .rec_wr_ready(rec_wr_ready),
        .rec_wr_data(rec_wr_data),
        .output_done(output_done), .output_idle(output_idle), .status(status), .err_fiber_a(err_fiber_a),
        .err_fiber_b(err_fiber_b), .err_fiber_addr(err_fiber_addr), .ev_lane(ev_lane), .ev_memory(ev_memory),
        .ev_row(ev_row)
    );

    genvar p;
    generate
        for (p = 0; p < NUM_TPPES; p = p + 1) begin : gen_tppe
            loas_lane #(
                .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W),
                .MEM_W(MEM_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .SEQUENTIAL(SEQUENTIAL), .DEEP(DEEP),
                .FIFO_DEPTH(FIFO_DEPTH), .LINE_W(LINE_W), .OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS),
                .INDEX_RATE(INDEX_RATE), .CARRY(CARRY), .POOL_COLS(POOL_COLS)
            ) lane_inst (
                .clk(clk), .rst(core_rst), .cfg_lane(cfg_lane), .task_valid(task_valid[p]),
                .task_ready(task_ready[p]), .task_data(task_data),
                .rd_valid(rd_valid[p]), .rd_ready(rd_ready[p]), .rd_keep(rd_keep[p]), .rd_fetch(rd_fetch[p]),
                .rd_addr(rd_addr[32*p +: 32]),
                .rsp_valid(rsp_valid[p]), .rsp_data(rsp_data[LINE_W*p +: LINE_W]),
                .ent_valid(ent_valid[p]), .ent_ready(ent_ready[p]), .ent_slot(ent_slot[SLOT_W*p +: SLOT_W]),
                .ent_addr(ent_addr[ADDR_W*p +: ADDR_W]),
                .ent_data(ent_data[ENTRY_W*p +: ENTRY_W]), .ent_count(ent_count[COUNT_W*p +: COUNT_W]),
                .state_idle(state_idle[p]), .cmd_valid(state_cmd_valid[p]), .cmd_ready(state_cmd_ready[p]),
                .cmd_addr(state_cmd_addr[32*p +: 32]), .cmd_chunks(state_cmd_chunks[17*p +: 17]),
                .wr_valid(state_wr_valid[p]), .wr_ready(state_wr_ready[p]),
                .wr_data(state_wr_data[CHUNK_W*p +: CHUNK_W]),
                .err_fiber_a(err_fiber_a[p]), .err_fiber_b(err_fiber_b[p]), .err_addr(err_fiber_addr[32*p +: 32]),
                .ev_lane(ev_lane[`LOAS_LANE_EV_W*p +: `LOAS_LANE_EV_W])
            );
        end
    endgenerate

    loas_output #(
        .NUM_TPPES(NUM_TPPES), .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS), .DEEP(DEEP), .CARRY(CARRY)
    ) output_inst (
        .clk(clk), .rst(core_rst), .layer_start(layer_start), .cfg_output(cfg_output), .done(output_done),
        .idle(output_idle), .ev_row(ev_row),
        .alloc_valid(alloc_valid), .alloc_slot(alloc_slot), .slot_free_valid(slot_free_valid), .slot_free(slot_free),
        .ent_valid(ent_valid), .ent_ready(ent_ready), .ent_slot(ent_slot), .ent_addr(ent_addr), .ent_data(ent_data),
        .ent_count(ent_count),
        .state_idle(state_idle), .state_cmd_valid(state_cmd_valid), .state_cmd_ready(state_cmd_ready),
        .state_cmd_addr(state_cmd_addr), .state_cmd_chunks(state_cmd_chunks), .state_wr_valid(state_wr_valid),
        .state_wr_ready(state_wr_ready), .state_wr_data(state_wr_data),
        .rec_sel(rec_sel), .rec_cmd_valid(rec_cmd_valid), .rec_cmd_ready(rec_cmd_ready), .rec_cmd_addr(rec_cmd_addr),
        .rec_cmd_chunks(rec_cmd_chunks), .rec_wr_valid(rec_wr_valid), .rec_wr_ready(rec_wr_ready),
        .rec_wr_data(rec_wr_data),
        .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .cmd_addr(cmd_addr), .cmd_chunks(cmd_chunks),
        .wr_valid(wr_valid), .wr_ready(wr_ready), .wr_data(wr_data)
    );

    loas_memory #(
        .NUM_PORTS(NUM_PORTS), .CHUNK_W(CHUNK_W), .AXI_W(AXI_W), .LINE_W(LINE_W), .NUM_BANKS(NUM_BANKS),
        .NUM_WAYS(NUM_WAYS), .NUM_SETS(NUM_SETS), .OUTSTANDING(OUTSTANDING), .DEEP(DEEP)
    ) memory_inst (
        .clk(clk), .rst(rst), .core_rst(core_rst), .flush(flush), .invalidate(invalidate), .image_base(image_base),
        .image_size(image_size),
        .rd_valid(rd_valid), .rd_ready(rd_ready), .rd_addr(rd_addr), .rd_keep(rd_keep), .rd_fetch(rd_fetch),
        .rsp_valid(rsp_valid), .rsp_data(rsp_data),
        .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .cmd_addr(cmd_addr), .cmd_chunks(cmd_chunks),
        .wr_valid(wr_valid), .wr_ready(wr_ready), .wr_data(wr_data),
        .status(status), .ev_memory(ev_memory),
        .m_axi_arid(m_axi_arid), .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst), .m_axi_arvalid(m_axi_arvalid), .m_axi_arready(m_axi_arready),
        .m_axi_rid(m_axi_rid), .m_axi_rdata(m_axi_rdata), .m_axi_rresp(m_axi_rresp), .m_axi_rlast(m_axi_rlast),
        .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready),
        .m_axi_awid(m_axi_awid), .m_axi_awaddr(m_axi_awaddr), .m_axi_awlen(m_axi_awlen), .m_axi_awsize(m_axi_awsize),
        .m_axi_awburst(m_axi_awburst), .m_axi_awvalid(m_axi_awvalid), .m_axi_awready(m_axi_awready),
        .m_axi_wdata(m_axi_wdata), .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast), .m_axi_wvalid(m_axi_wvalid),
        .m_axi_wready(m_axi_wready),
        .m_axi_bid(m_axi_bid), .m_axi_bresp(m_axi_bresp), .m_axi_bvalid(m_axi_bvalid), .m_axi_bready(m_axi_bready)
    );

endmodule

`resetall
