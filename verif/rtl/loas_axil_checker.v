// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4-Lite protocol checker (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: watches one port from reset on. Each breach prints one line and sets `error` until reset: valid dropped or
// payload changed while stalled, valid unknown, an answer to a write before both its address and its data were taken,
// an answer to a read before its address was taken. Up to 2^31 transfers may be under way.
module loas_axil_checker #(
    parameter integer ADDR_W = 32
) (
    input  wire              clk,
    input  wire              rst,
    output reg               error,
    input  wire [ADDR_W-1:0] awaddr,
    input  wire              awvalid,
    input  wire              awready,
    input  wire [31:0]       wdata,
    input  wire [3:0]        wstrb,
    input  wire              wvalid,
    input  wire              wready,
    input  wire [1:0]        bresp,
    input  wire              bvalid,
    input  wire              bready,
    input  wire [ADDR_W-1:0] araddr,
    input  wire              arvalid,
    input  wire              arready,
    input  wire [31:0]       rdata,
    input  wire [1:0]        rresp,
    input  wire              rvalid,
    input  wire              rready
);

    // last cycle's signals, for stability
    reg              aw_held, w_held, b_held, ar_held, r_held;
    reg              armed;  // has been reset
    reg [ADDR_W-1:0] aw_old, ar_old;
    reg [35:0]       w_old;
    reg [1:0]        b_old;
    reg [33:0]       r_old;
    reg [31:0]       aw_owed, w_owed, ar_owed;  // taken and not answered

    initial armed = 1'b0;

    task report(input [8*40-1:0] what);
        begin
            if (armed && !rst) begin
                $display("%m: %0t: AXI4-Lite breach: %0s", $time, what);
                error <= 1'b1;
            end
        end
    endtask

    always @(posedge clk) begin
        aw_held <= awvalid && !awready;
        w_held  <= wvalid && !wready;
        b_held  <= bvalid && !bready;
        ar_held <= arvalid && !arready;
        r_held  <= rvalid && !rready;
        aw_old  <= awaddr;
        ar_old  <= araddr;
        w_old   <= {wstrb, wdata};
        b_old   <= bresp;
        r_old   <= {rresp, rdata};
        if (aw_held && (!awvalid || aw_old !== awaddr)) report("AW not stable");
        if (ar_held && (!arvalid || ar_old !== araddr)) report("AR not stable");
        if (w_held && (!wvalid || w_old !== {wstrb, wdata})) report("W not stable");
        if (b_held && (!bvalid || b_old !== bresp)) report("B not stable");
        if (r_held && (!rvalid || r_old !== {rresp, rdata})) report("R not stable");
        if ((^{awvalid, wvalid, bvalid, arvalid, rvalid}) === 1'bx) report("unknown valid");
        if (bvalid && (aw_owed == 0 || w_owed == 0)) report("B before its address and data");
        if (rvalid && ar_owed == 0) report("R before its address");
        aw_owed <= aw_owed + {31'd0, awvalid && awready} - {31'd0, bvalid && bready};
        w_owed  <= w_owed + {31'd0, wvalid && wready} - {31'd0, bvalid && bready};
        ar_owed <= ar_owed + {31'd0, arvalid && arready} - {31'd0, rvalid && rready};
        if (rst) begin
            error   <= 1'b0;
            armed   <= 1'b1;
            aw_held <= 1'b0;
            w_held  <= 1'b0;
            b_held  <= 1'b0;
            ar_held <= 1'b0;
            r_held  <= 1'b0;
            aw_owed <= 32'd0;
            w_owed  <= 32'd0;
            ar_owed <= 32'd0;
        end
    end

endmodule

`resetall
