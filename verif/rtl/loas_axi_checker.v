// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4 protocol checker for a memory port with in-order, INCR-only masters (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: watches one port from reset on. Each breach prints one line and sets `error` until reset: valid dropped or
// payload changed while stalled, burst across 4 KB, size other than the bus, address not beat aligned (with ALIGNED),
// burst type other than INCR, WLAST or RLAST in the wrong place, answers without a request. `busy` tells that something
// is owed.
module loas_axi_checker #(
    parameter integer AXI_W   = 128,
    parameter integer ALIGNED = 1    // 0: the first beat of a burst may begin inside
) (
    input  wire               clk,
    input  wire               rst,
    output reg                error,
    output wire               busy,
    output reg  [15:0]        peak_reads,   // most read bursts outstanding at once
    output reg  [15:0]        peak_writes,
    input  wire [31:0]        awaddr,
    input  wire [7:0]         awlen,
    input  wire [2:0]         awsize,
    input  wire [1:0]         awburst,
    input  wire               awvalid,
    input  wire               awready,
    input  wire [AXI_W-1:0]   wdata,
    input  wire [AXI_W/8-1:0] wstrb,
    input  wire               wlast,
    input  wire               wvalid,
    input  wire               wready,
    input  wire [1:0]         bresp,
    input  wire               bvalid,
    input  wire               bready,
    input  wire [31:0]        araddr,
    input  wire [7:0]         arlen,
    input  wire [2:0]         arsize,
    input  wire [1:0]         arburst,
    input  wire               arvalid,
    input  wire               arready,
    input  wire [AXI_W-1:0]   rdata,
    input  wire [1:0]         rresp,
    input  wire               rlast,
    input  wire               rvalid,
    input  wire               rready
);

    localparam integer AXI_B = AXI_W / 8;
    localparam integer SIZE  = $clog2(AXI_B);
    localparam integer QUEUE = 256;

    // last cycle's signals, for stability
    reg                 aw_held, w_held, b_held, ar_held, r_held;
    reg                 armed;  // has been reset
    reg [44:0]          aw_old, ar_old;
    reg [AXI_W+AXI_B:0] w_old;
    reg [1:0]           b_old;
    reg [AXI_W+2:0]     r_old;

    wire [44:0] aw_now = {awburst, awsize, awlen, awaddr};
    wire [44:0] ar_now = {arburst, arsize, arlen, araddr};

    reg  [7:0]  aw_len [0:QUEUE-1];
    reg  [7:0]  w_len  [0:QUEUE-1];  // beats of finished W bursts, which may precede their AW
    reg  [7:0]  ar_len [0:QUEUE-1];
    reg  [31:0] aw_put, aw_get, w_put, b_get, ar_put, ar_get;
    reg  [7:0]  w_beat, r_beat;

    assign busy = ar_put != ar_get || aw_put != b_get || w_put != b_get || w_beat != 0 || awvalid || arvalid || wvalid;

    initial armed = 1'b0;

    task report(input [8*40-1:0] what);
        begin
            if (armed && !rst) begin
                $display("%m: %0t: AXI breach: %0s", $time, what);
                error <= 1'b1;
            end
        end
    endtask

    task check_burst(input [31:0] addr, input [7:0] len, input [2:0] size, input [1:0] burst);
        begin
            if ({20'd0, addr[11:SIZE], {SIZE{1'b0}}} + ({24'd0, len} + 1) * AXI_B > 4096) report("burst crosses 4 KB");
            if (size != SIZE[2:0]) report("size is not the bus width");
            if (burst != 2'b01) report("burst is not INCR");
            if (ALIGNED != 0 && (addr & (AXI_B - 1)) != 0) report("address not beat aligned");
        end
    endtask

    always @(posedge clk) begin
        aw_held <= awvalid && !awready;
        w_held  <= wvalid && !wready;
        b_held  <= bvalid && !bready;
        ar_held <= arvalid && !arready;
        r_held  <= rvalid && !rready;
        if (awvalid) aw_old <= aw_now;
        if (arvalid) ar_old <= ar_now;
        if (wvalid) w_old <= {wlast, wstrb, wdata};
        if (bvalid) b_old <= bresp;
        if (rvalid && !rready) r_old <= {rlast, rresp, rdata};
        if (aw_held && (!awvalid || aw_old !== aw_now)) report("AW not stable");
        if (ar_held && (!arvalid || ar_old !== ar_now)) report("AR not stable");
        if (w_held && (!wvalid || w_old !== {wlast, wstrb, wdata})) report("W not stable");
        if (b_held && (!bvalid || b_old !== bresp)) report("B not stable");
        if (r_held && (!rvalid || r_old !== {rlast, rresp, rdata})) report("R not stable");
        if ((^{awvalid, wvalid, bvalid, arvalid, rvalid}) === 1'bx) report("unknown valid");
        // writes
        if (awvalid && awready) begin
            check_burst(awaddr, awlen, awsize, awburst);
            aw_len[aw_put[7:0]] <= awlen;
            aw_put <= aw_put + 1;
        end
        if (wvalid && wready) begin
            w_beat <= wlast ? 8'd0 : w_beat + 8'd1;
            if (wlast) begin
                w_len[w_put[7:0]] <= w_beat;
                w_put <= w_put + 1;
            end
        end
        if (aw_get != aw_put && aw_get != w_put) begin
            if (aw_len[aw_get[7:0]] != w_len[aw_get[7:0]]) report("WLAST in the wrong place");
            aw_get <= aw_get + 1;
        end
        if (bvalid && bready) begin
            if (b_get == aw_put || b_get == w_put) report("B without a burst");
            b_get <= b_get + 1;
        end
        if (aw_put - b_get > {16'd0, peak_writes}) peak_writes <= aw_put[15:0] - b_get[15:0];
        // reads
        if (arvalid && arready) begin
            check_burst(araddr, arlen, arsize, arburst);
            ar_len[ar_put[7:0]] <= arlen;
            ar_put <= ar_put + 1;
        end
        if (rvalid && rready) begin
            if (ar_get == ar_put) report("R without a burst");
            else if (rlast != (r_beat == ar_len[ar_get[7:0]])) report("RLAST in the wrong place");
            r_beat <= rlast ? 8'd0 : r_beat + 8'd1;
            if (rlast) ar_get <= ar_get + 1;
        end
        if (ar_put - ar_get > {16'd0, peak_reads}) peak_reads <= ar_put[15:0] - ar_get[15:0];
        if (rst) begin
            error <= 1'b0;
            armed <= 1'b1;
            aw_held <= 1'b0;
            w_held <= 1'b0;
            b_held <= 1'b0;
            ar_held <= 1'b0;
            r_held <= 1'b0;
            aw_put <= 0;
            aw_get <= 0;
            w_put <= 0;
            b_get <= 0;
            ar_put <= 0;
            ar_get <= 0;
            w_beat <= 8'd0;
            r_beat <= 8'd0;
            peak_reads <= 16'd0;
            peak_writes <= 16'd0;
        end
    end

endmodule

`resetall
