// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SDRAM of 16 bits, for simulation: checks what the data sheet asks for.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: answers as a part does at CAS latency 2 or 3 and bursts of 1 to 8, on edges of its own clock; `violations`
// counts what a data sheet forbids: commands before INIT_CYCLES, reads of closed banks, tRP, tRCD, tRAS, tRFC, tWR,
// tMRD, a mode other than the supported ones, and rows left longer than REFRESH_CYCLES on the average. A reason is
// printed for each. Outputs change with the clock's edge, so the user's clock has to be later (or the data are those of
// the cycle before). Only the low MEM_WORDS words exist: higher addresses wrap.
module loas_sdram_model #(
    parameter integer ROW_W          = 13,
    parameter integer COL_W          = 9,
    parameter integer MEM_WORDS      = 1 << 20,
    parameter integer INIT_CYCLES    = 100,
    parameter integer T_RP           = 1,
    parameter integer T_RCD          = 1,
    parameter integer T_RAS          = 3,
    parameter integer T_RFC          = 4,
    parameter integer T_WR           = 2,
    parameter integer T_MRD          = 2,
    parameter integer REFRESH_CYCLES = 390      // 64 ms / 8192 rows at 50 MHz
) (
    input  wire             clk,
    input  wire             cke,
    input  wire             cs_n,
    input  wire             ras_n,
    input  wire             cas_n,
    input  wire             we_n,
    input  wire [1:0]       ba,
    input  wire [ROW_W-1:0] a,
    input  wire [1:0]       dqm,
    inout  wire [15:0]      dq,
    output reg  [31:0]      violations,
    output reg  [31:0]      reads,
    output reg  [31:0]      refreshes
);

    localparam integer WORD_W = $clog2(MEM_WORDS);
    localparam integer FULL_W = ROW_W + COL_W + 2;

    reg [15:0]      mem [0:MEM_WORDS-1];
    reg [31:0]      now;
    reg             ready;               // the mode is set
    reg [6:0]       mode;
    reg [3:0]       open;
    reg [ROW_W-1:0] row      [0:3];
    reg [31:0]      opened   [0:3];      // when
    reg [31:0]      closed   [0:3];
    reg [31:0]      written  [0:3];      // last data that were written
    reg [31:0]      free;                // no command before, after a refresh or the setting of the mode
    reg [31:0]      first_refresh;

    // the burst at hand
    reg [3:0]        left;
    reg              writing;
    reg [1:0]        bank;
    reg [COL_W-1:0]  col;
    // what comes out: by latency
    reg [15:0]       pipe_data [0:3];
    reg [3:0]        pipe_valid;
    reg [15:0]       out;
    reg              drive;
    reg [1:0]        dqm_old;

    wire [3:0]        length = mode[2:0] == 3'd0 ? 4'd1 : mode[2:0] == 3'd1 ? 4'd2 : mode[2:0] == 3'd2 ? 4'd4 : 4'd8;
    wire [2:0]        cmd    = {ras_n, cas_n, we_n};
    reg  [FULL_W-1:0] full;
    integer           k;

    assign dq = drive ? out : 16'hzzzz;

    task violation(input [8*40-1:0] what);
        begin
            violations = violations + 1;
            $display("SDRAM cycle %0d: %0s", now, what);
        end
    endtask

    initial begin
        now = 0; ready = 1'b0; mode = 7'd0; open = 4'd0; violations = 0; reads = 0; refreshes = 0; free =
            0; first_refresh = 0;
        left = 4'd0; writing = 1'b0; bank = 2'd0; col = {COL_W{1'b0}}; pipe_valid = 4'd0; drive = 1'b0; out =
            16'd0; full = 0; dqm_old = 2'b11;
        // anything: so that what was not written is no x
        for (k = 0; k < MEM_WORDS; k = k + 1) mem[k] = k[15:0] ^ 16'h5aa5;
        for (k = 0; k < 4; k = k + 1) begin
            row[k] = {ROW_W{1'b0}}; opened[k] = 0; closed[k] = 0; written[k] = 0; pipe_data[k] = 16'd0;
        end
    end

    // blocking throughout: one process, in the order of the data sheet
    always @(posedge clk) begin : step
        now = now + 1;
        if (cke && !cs_n) begin
            if (cmd != 3'b111 && now < INIT_CYCLES) violation("command during the pause after power-up");
            if (cmd != 3'b111 && now < free) violation("tRFC or tMRD");
            case (cmd)
                3'b011: begin                                               // open a row
                    if (open[ba]) violation("opened, and open");
                    if (!ready) violation("opened without a mode");
                    if (now - closed[ba] < T_RP) violation("tRP");
                    open[ba] = 1'b1; row[ba] = a; opened[ba] = now;
                end
                3'b101, 3'b100: begin                                       // read, write
                    if (!open[ba]) violation("access to a closed bank");
                    if (now - opened[ba] < T_RCD) violation("tRCD");
                    if (a[10]) violation("automatic precharge is not modelled");
                    left = length; writing = !we_n; bank = ba; col = a[COL_W-1:0];
                    if (we_n) reads = reads + 1;
                end
                3'b010: begin                                               // close
                    for (k = 0; k < 4; k = k + 1) if (a[10] || ba == k[1:0]) begin
                        if (open[k] && now - opened[k] < T_RAS) violation("tRAS");
                        if (open[k] && now - written[k] < T_WR) violation("tWR");
                        if (left != 4'd0 && bank == k[1:0]) violation("closed during a burst");
                        open[k] = 1'b0; closed[k] = now;
                    end
                end
                3'b001: begin                                               // refresh
                    if (open != 4'd0) violation("refresh with an open bank");
                    for (k = 0; k < 4; k = k + 1) if (now - closed[k] < T_RP) violation("tRP before a refresh");
                    refreshes = refreshes + 1; free = now + T_RFC;
                    if (refreshes == 8) first_refresh = now;
                    if (refreshes > 8
                        && now - first_refresh > (refreshes - 8) * REFRESH_CYCLES) violation("refreshes too rare");
                end
                3'b000: begin                                               // mode
                    if (open != 4'd0 || refreshes < 2) violation("mode set too early");
                    mode = a[6:0]; ready = 1'b1; free = now + T_MRD;
                    if (a[3] || (a[6:4] != 3'd2 && a[6:4] != 3'd3)
                        || a[2:0] > 3'd3) violation("mode that is not modelled");
                end
                default: ;
            endcase
        end
        // data out leave after this edge and are seen at the next: latency 2 is one step of the pipe, and this one
        for (k = 0; k < 3; k = k + 1) pipe_data[k] = pipe_data[k+1];
        pipe_valid = {1'b0, pipe_valid[3:1]};
        if (left != 4'd0) begin
            // here, and no wire: a wire would follow `bank` and `col` only after this process
            full = {row[bank], bank, col};
            if (writing) begin
                if (!dqm[0]) mem[full[WORD_W-1:0]][7:0]  = dq[7:0];
                if (!dqm[1]) mem[full[WORD_W-1:0]][15:8] = dq[15:8];
                written[bank] = now;
            end else begin
                pipe_data[mode[5:4] - 2'd1] = mem[full[WORD_W-1:0]];
                pipe_valid[mode[5:4] - 2'd1] = 1'b1;
            end
            left = left - 4'd1;
            // a burst stays in its block of columns
            col = length == 4'd1 ? col : (col & ~({{(COL_W-4){1'b0}}, length} - 1'b1))
                | ((col + 1'b1) & ({{(COL_W-4){1'b0}}, length} - 1'b1));
        end
        out   <= pipe_data[0];
        drive <= pipe_valid[0] && dqm_old == 2'b00;
        dqm_old = dqm;
    end

endmodule

`resetall
