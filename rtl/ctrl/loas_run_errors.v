// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Errors of a run: which of several counts, the watchdog, and the error that is kept.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Contract: while `running` any error raises `fail` in the same cycle; of several in one cycle the first of this list
// counts: watchdog, bus read, bus write, memory window, scheduler, fibers (the lowest TPPE's), then what control found
// in records. `clear` takes back the kept error; `mute` (soft reset) does so too, and no error counts in that cycle.
// Otherwise code, addr and layer of a failure are kept, and set_error pulses with them. The watchdog counts cycles
// without `progress` while an access is outstanding or a start is pending, from the last `restart` on. It barks (`dog`)
// after `watchdog` of them; 0 switches it off. It counts while running and while a start is pending.
module loas_run_errors #(
    parameter integer NUM_TPPES = 16
) (
    input  wire                    clk,
    input  wire                    rst,

    input  wire                    running,
    input  wire                    pending,       // a start waits
    input  wire                    restart,
    input  wire                    clear,
    input  wire                    mute,
    input  wire [15:0]             layer,

    // watchdog
    input  wire [31:0]             watchdog,
    input  wire                    progress,
    input  wire                    rd_outstanding,
    input  wire [31:0]             rd_oldest_addr,
    input  wire                    wr_outstanding,
    input  wire [31:0]             wr_oldest_addr,

    // records
    input  wire                    header_bad,
    input  wire                    record_bad,    // any other record
    input  wire                    sum_bad,
    input  wire [3:0]              bad_index,
    input  wire [31:0]             record_addr,
    input  wire                    fit_bad,
    input  wire                    shape_bad,
    input  wire [31:0]             desc_addr,

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
    input  wire [NUM_TPPES*32-1:0] err_fiber_addr,

    output wire                    dog,
    output wire                    fail,
    output wire                    error,
    output wire                    set_error,
    output wire [3:0]              err_code,
    output wire [31:0]             err_addr,
    output wire [15:0]             err_layer
);

    // ---------------------------------------------------------------------------------------------- the lowest TPPE's
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

    // ------------------------------------------------------------------------------------------------------- watchdog
    reg [31:0] idle_reg;          // cycles without progress

    wire waiting = rd_outstanding | wr_outstanding | pending;

    assign dog = (watchdog != 32'd0) & waiting & (idle_reg >= watchdog);

    always @(posedge clk) begin
        if (progress | ~waiting | dog | restart) idle_reg <= 32'd0;
        else                                     idle_reg <= idle_reg + 32'd1;
        if (rst) idle_reg <= 32'd0;
    end

    // ------------------------------------------------------------------------------------------------ which one counts
    wire header_image = (bad_index < `LOAS_HDR_CONFIG0) | (bad_index > `LOAS_HDR_CONFIG3);

    reg        any;
    reg [3:0]  code;
    reg [31:0] addr;
    always @* begin
        any  = 1'b1;
        code = `LOAS_ERR_NONE;
        addr = record_addr;
        if (dog & (running | pending)) begin
            code = `LOAS_ERR_WATCHDOG;
            addr = rd_outstanding ? rd_oldest_addr : wr_oldest_addr;
        end else if (!running) begin
            any = 1'b0;
        end else if (err_bus_read) begin
            code = `LOAS_ERR_BUS_READ;
            addr = err_bus_read_addr;
        end else if (err_bus_write) begin
            code = `LOAS_ERR_BUS_WRITE;
            addr = err_bus_write_addr;
        end else if (err_cache_pointer) begin
            code = `LOAS_ERR_POINTER;
            addr = err_cache_addr;
        end else if (err_write_pointer) begin
            code = `LOAS_ERR_POINTER;
            addr = err_bus_write_addr;
        end else if (err_sched) begin
            code = `LOAS_ERR_FIBER_B;
            addr = err_sched_addr;
        end else if (fiber_any) begin
            code = fiber_a ? `LOAS_ERR_FIBER_A : `LOAS_ERR_FIBER_B;
            addr = fiber_addr;
        end else if (header_bad) begin
            code = header_image ? `LOAS_ERR_BAD_IMAGE : `LOAS_ERR_BAD_CONFIG;
            addr = {26'd0, bad_index, 2'b00};
        end else if (record_bad) begin
            code = `LOAS_ERR_BAD_DESC;
            addr = {record_addr[31:6], sum_bad ? `LOAS_DESC_CHECKSUM : bad_index, 2'b00};   // or the walk's
        end else if (fit_bad) begin
            code = `LOAS_ERR_BAD_DESC;
            addr = {desc_addr[31:6], `LOAS_DESC_ROWS, 2'b00};
        end else if (shape_bad) begin
            code = `LOAS_ERR_BAD_DESC;
            addr = {desc_addr[31:6], `LOAS_DESC_K, 2'b00};
        end else begin
            any = 1'b0;
        end
    end

    assign fail = any;

    // ---------------------------------------------------------------------------------------------------- what is kept
    reg        error_reg;
    reg        set_error_reg;
    reg [3:0]  code_reg;
    reg [31:0] addr_reg;
    reg [15:0] layer_reg;

    assign error     = error_reg;
    assign set_error = set_error_reg;
    assign err_code  = code_reg;
    assign err_addr  = addr_reg;
    assign err_layer = layer_reg;

    always @(posedge clk) begin
        set_error_reg <= any & ~mute;
        if (clear | mute) begin
            error_reg <= 1'b0;
            code_reg  <= `LOAS_ERR_NONE;
            addr_reg  <= 32'd0;
            layer_reg <= 16'd0;
        end
        if (any & ~mute) begin
            error_reg <= 1'b1;
            code_reg  <= code;
            addr_reg  <= addr;
            layer_reg <= running ? layer : 16'd0;
        end
        if (rst) begin
            set_error_reg <= 1'b0;
            error_reg     <= 1'b0;
            code_reg      <= `LOAS_ERR_NONE;
            addr_reg      <= 32'd0;
            layer_reg     <= 16'd0;
        end
    end

    wire unused_ok = &{1'b0, desc_addr[5:0]};

endmodule

`resetall
