// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Runs one memory image on the whole machine without a testbench language in between (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: the demo and the benchmarks need the machine at the full speed of the simulator.
//
// Contract: reads <dir>/image.hex, programs the registers, starts, prints `PROGRESS layer=.. row=.. cycle=..` lines,
// waits for done or error, writes <dir>/dump.hex, and prints `RESULT status=.. error=.. addr=.. layer=.. cycles=..
// axi=..` (hexadecimal but for the cycles). Plusargs: +dir=, +size= (bytes of the image), +latency=, +stall=, +manner=
// (as in loas_sim_mem), +seed=, +watchdog=, +poll= (cycles between looks at the progress), +max_cycles=. Exceeding
// max_cycles gives status=0 (busy bit as read); axi=1: the protocol of the memory port was broken, a line before says
// how.
module loas_tb #(
    parameter integer T           = 4,      // timesteps computed in parallel
    parameter integer NUM_TPPES   = 2,      // processing elements
    parameter integer CHUNK_W     = 32,     // bits of a bitmask chunk
    parameter integer WINDOW      = 2,
    parameter integer SLICE_W     = 8,      // adders of a laggy prefix sum
    parameter integer WEIGHT_W    = 8,      // bits of a weight
    parameter integer ACC_W       = 16,     // accumulator bits
    parameter integer MEM_W       = 24,     // membrane bits
    parameter integer K_MAX       = 512,    // longest fiber
    parameter integer LAGGY       = 1,      // 1: speculation, 0: two fast prefix sums
    parameter integer SEQUENTIAL  = 0,      // 1: SparTen-SNN
    parameter integer DEEP        = 0,      // 1: more pipeline stages, for the slow wires of an FPGA
    parameter integer FIFO_DEPTH  = 8,      // match FIFOs
    parameter integer INDEX_RATE  = 2,
    parameter integer CARRY       = 1,
    parameter integer AXI_W       = 32,     // data bits of the memory port
    parameter integer LINE_W      = 128,    // bits of a cache line
    parameter integer NUM_BANKS   = 2,      // cache geometry
    parameter integer NUM_WAYS    = 2,      // cache geometry
    parameter integer NUM_SETS    = 4,      // cache geometry
    parameter integer OUTSTANDING = 4,      // line reads in flight
    parameter integer OUT_ENTRIES = 256,    // output buffer entries
    parameter integer NUM_SLOTS   = 8,      // output rows in flight
    parameter integer MEM_BYTES   = 4194304 // size of the memory
);

    `include "loas_defs.vh"

    localparam [31:0] BASE = 32'h4000_0000;

    reg         clk;
    reg         rst;
    reg         load;
    reg         dump;
    reg  [31:0] image_words;
    integer     size;
    integer     latency;
    integer     stall;
    integer     manner;
    integer     seed;
    integer     watchdog;
    integer     poll;
    integer     max_cycles;
    reg  [11:0] s_axil_awaddr;
    reg         s_axil_awvalid;
    wire        s_axil_awready;
    reg  [31:0] s_axil_wdata;
    reg  [3:0]  s_axil_wstrb;
    reg         s_axil_wvalid;
    wire        s_axil_wready;
    wire [1:0]  s_axil_bresp;
    wire        s_axil_bvalid;
    reg         s_axil_bready;
    reg  [11:0] s_axil_araddr;
    reg         s_axil_arvalid;
    wire        s_axil_arready;
    wire [31:0] s_axil_rdata;
    wire [1:0]  s_axil_rresp;
    wire        s_axil_rvalid;
    reg         s_axil_rready;
    wire        irq;
    wire        axi_error;
    wire        axi_busy;

    loas_system #(
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
        .NUM_SLOTS(NUM_SLOTS),
        .MEM_BYTES(MEM_BYTES),
        .BASE(BASE),
        .CHECK(1)
    ) system_inst (
        .clk(clk),
        .rst(rst),
        .load(load),
        .dump(dump),
        .image_words(image_words),
        .latency(latency[15:0]),
        .stall_percent(stall[6:0]),
        .seed(seed),
        .err_en(1'b0),
        .err_resp(2'b00),
        .err_addr(32'd0),
        .hang(1'b0),
        .manner(manner[2:0]),
        .axi_error(axi_error),
        .axi_busy(axi_busy),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .irq(irq)
    );

    wire unused_ok = &{1'b0, latency, stall, manner, s_axil_bresp, s_axil_rresp, axi_busy};

    initial clk = 1'b0;
    always #5 clk = !clk;

    // one wake-up for the main process per poll period, at the interrupt, or at the limit
    reg  [31:0] cycle;
    reg  [31:0] poll_count;
    reg         running;
    reg         wake;

    always @(posedge clk) begin
        cycle <= running ? cycle + 32'd1 : 32'd0;
        if (wake || !running) poll_count <= 32'd0;
        else poll_count <= poll_count + 32'd1;
        wake <= running && !wake && (irq || poll_count >= poll || cycle >= max_cycles);
    end

    // Signals move at the falling edge and are looked at just before the rising one: the same in every simulator, which
    // non-blocking assignments of an initial block are not.
    reg aw_go;
    reg w_go;
    reg go;

    task axil_write(input [11:0] addr, input [31:0] data);
        begin
            s_axil_awaddr  = addr;
            s_axil_awvalid = 1'b1;
            s_axil_wdata   = data;
            s_axil_wvalid  = 1'b1;
            while (s_axil_awvalid || s_axil_wvalid) begin
                #4;
                aw_go = s_axil_awready;
                w_go  = s_axil_wready;
                @(negedge clk);
                if (aw_go) s_axil_awvalid = 1'b0;
                if (w_go) s_axil_wvalid = 1'b0;
            end
            s_axil_bready = 1'b1;
            go = 1'b0;
            while (!go) begin
                #4 go = s_axil_bvalid;
                @(negedge clk);
            end
            s_axil_bready = 1'b0;
        end
    endtask

    reg [31:0] value;

    task axil_read(input [11:0] addr);
        begin
            s_axil_araddr  = addr;
            s_axil_arvalid = 1'b1;
            while (s_axil_arvalid) begin
                #4 go = s_axil_arready;
                @(negedge clk);
                if (go) s_axil_arvalid = 1'b0;
            end
            s_axil_rready = 1'b1;
            go = 1'b0;
            while (!go) begin
                #4 go = s_axil_rvalid;
                value = s_axil_rdata;
                @(negedge clk);
            end
            s_axil_rready = 1'b0;
        end
    endtask

    reg [31:0] layer;
    reg [31:0] code;
    reg [31:0] addr;
    reg [31:0] status;
    reg [31:0] total;

    initial begin
        if (!$value$plusargs("size=%d", size)) size = 0;
        if (!$value$plusargs("latency=%d", latency)) latency = 0;
        if (!$value$plusargs("stall=%d", stall)) stall = 0;
        if (!$value$plusargs("manner=%d", manner)) manner = 0;
        if (!$value$plusargs("seed=%d", seed)) seed = 1;
        if (!$value$plusargs("watchdog=%d", watchdog)) watchdog = 1000000;
        if (!$value$plusargs("poll=%d", poll)) poll = 20000;
        if (!$value$plusargs("max_cycles=%d", max_cycles)) max_cycles = 100000000;
        image_words    = size / (AXI_W / 8);
        running        = 1'b0;
        rst            = 1'b1;
        load           = 1'b0;
        dump           = 1'b0;
        s_axil_awaddr  = 12'd0;
        s_axil_awvalid = 1'b0;
        s_axil_wdata   = 32'd0;
        s_axil_wstrb   = 4'hF;
        s_axil_wvalid  = 1'b0;
        s_axil_bready  = 1'b0;
        s_axil_araddr  = 12'd0;
        s_axil_arvalid = 1'b0;
        s_axil_rready  = 1'b0;
        repeat (4) @(negedge clk);
        load = 1'b1;
        repeat (4) @(negedge clk);
        rst = 1'b0;
        repeat (2) @(negedge clk);
        axil_write(`LOAS_REG_IMAGE_BASE, BASE);
        axil_write(`LOAS_REG_IMAGE_SIZE, size);
        axil_write(`LOAS_REG_WATCHDOG, watchdog);
        axil_write(`LOAS_REG_IRQ_ENABLE, 32'd3);
        running = 1'b1;
        axil_write(`LOAS_REG_CTRL, 32'd1);
        while (!irq && cycle < max_cycles) begin
            @(posedge wake);
            if (!irq) begin
                @(negedge clk);
                axil_read(`LOAS_REG_LAYER);
                layer = value;
                axil_read(`LOAS_REG_PERF + 12'd120);
                $display("PROGRESS layer=%0d row=%0d cycle=%0d", layer, value, cycle);
                $fflush;
            end
        end
        total = cycle;
        @(negedge clk);
        axil_read(`LOAS_REG_STATUS);
        status = value;
        axil_read(`LOAS_REG_ERR_CODE);
        code = value;
        axil_read(`LOAS_REG_ERR_ADDR);
        addr = value;
        axil_read(`LOAS_REG_ERR_LAYER);
        dump = 1'b1;
        repeat (4) @(negedge clk);
        $display("RESULT status=%0h error=%0h addr=%0h layer=%0d cycles=%0d axi=%0d", status, code, addr, value, total,
            axi_error);
        $finish;
    end

endmodule

`resetall
