// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Request side of the crossbar: brings at most one line address a cycle to each bank, for all ports that ask for it.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: many ports, banked by the low line address bits; ports working on the same columns ask for the same line.
// Contract: combinational but for the arbiters' memory. A bank picks one port round robin; every other port that asks
// for the same line in this cycle is taken with it (`take`), so a line is looked up once for all of them. A bank whose
// `hold` is set takes nobody and its turn is not lost. With DEEP lines are compared port by port, beside the arbiters
// and not behind them: as many comparators as there are pairs.
// Edges: NUM_BANKS = 1 has one bank index bit that is zero.
module loas_crossbar #(
    parameter integer NUM_PORTS = 17,
    parameter integer NUM_BANKS = 16,
    parameter integer LINE_AW   = 25,
    parameter integer DEEP      = 0       // 1: for the slow wires of an FPGA
) (
    input  wire                         clk,
    input  wire                         rst,
    // ports
    input  wire [NUM_PORTS-1:0]         req_valid,
    input  wire [NUM_PORTS*LINE_AW-1:0] req_line,
    output reg  [NUM_PORTS-1:0]         take,
    output wire [NUM_PORTS*(NUM_BANKS > 1 ? $clog2(NUM_BANKS) : 1)-1:0] req_bank,
    // banks
    input  wire [NUM_BANKS-1:0]         hold,
    output wire [NUM_BANKS-1:0]         lk_valid,
    output wire [NUM_BANKS*LINE_AW-1:0] lk_line
);

    localparam integer BANK_B = $clog2(NUM_BANKS);
    localparam integer BANK_W = NUM_BANKS > 1 ? BANK_B : 1;
    localparam integer PORT_W = NUM_PORTS > 1 ? $clog2(NUM_PORTS) : 1;

    wire [NUM_BANKS*NUM_PORTS-1:0] won;     // by bank, a port

    genvar p, b;

    generate
        for (p = 0; p < NUM_PORTS; p = p + 1) begin : gen_port
            assign req_bank[p*BANK_W +: BANK_W] = req_line[p*LINE_AW +: BANK_W] & {BANK_W{NUM_BANKS > 1}};
        end
        for (b = 0; b < NUM_BANKS; b = b + 1) begin : gen_bank
            localparam [31:0] ID = b;
            reg  [NUM_PORTS-1:0] req;
            wire [NUM_PORTS-1:0] grant;
            reg  [PORT_W-1:0]    win;

            always @* begin : mine
                integer i;
                i = 0;
                req = {NUM_PORTS{1'b0}};
                if (|req_valid)
                    for (i = 0; i < NUM_PORTS; i = i + 1)
                        req[i] = req_valid[i] && req_bank[i*BANK_W +: BANK_W] == ID[BANK_W-1:0];
            end

            assign lk_valid[b] = |req && !hold[b];

            loas_arb_rr #(.N(NUM_PORTS)) arb_inst (
                .clk(clk), .rst(rst), .req(req), .advance(lk_valid[b]), .grant(grant)
            );

            always @* begin : winner
                integer i;
                i = 0;
                win = {PORT_W{1'b0}};
                if (|req)
                    for (i = 0; i < NUM_PORTS; i = i + 1) if (grant[i]) win = win | i[PORT_W-1:0];
            end

            assign won[b*NUM_PORTS +: NUM_PORTS] = hold[b] ? {NUM_PORTS{1'b0}} : grant;

            if (DEEP != 0) begin : gen_deep
                reg [LINE_AW-1:0] line;
                always @* begin : pick
                    integer i;
                    i = 0;
                    line = {LINE_AW{1'b0}};
                    for (i = 0; i < NUM_PORTS; i = i + 1)
                        line = line | (req_line[i*LINE_AW +: LINE_AW] & {LINE_AW{grant[i]}});
                end
                assign lk_line[b*LINE_AW +: LINE_AW] = line;
                wire unused_win = &{1'b0, win};
            end else begin : gen_index
                assign lk_line[b*LINE_AW +: LINE_AW] = req_line[win*LINE_AW +: LINE_AW];
            end
        end
    endgenerate

    // The winner itself is found the same way as its riders: it asks for the line that its bank looks up.
    generate
        if (DEEP != 0) begin : gen_pairs
            reg [NUM_PORTS-1:0] winner;
            always @* begin : riders
                integer i, j;
                i = 0;
                j = 0;
                winner = {NUM_PORTS{1'b0}};
                for (i = 0; i < NUM_BANKS; i = i + 1) winner = winner | won[i*NUM_PORTS +: NUM_PORTS];
                take = {NUM_PORTS{1'b0}};
                for (i = 0; i < NUM_PORTS; i = i + 1)
                    for (j = 0; j < NUM_PORTS; j = j + 1)
                        if (req_valid[i] && winner[j]
                            && req_line[i*LINE_AW +: LINE_AW] == req_line[j*LINE_AW +: LINE_AW])
                            take[i] = 1'b1;
            end
        end else begin : gen_lines
            always @* begin : riders
                integer i;
                i = 0;
                take = {NUM_PORTS{1'b0}};
                for (i = 0; i < NUM_PORTS; i = i + 1)
                    take[i] = req_valid[i] && lk_valid[req_bank[i*BANK_W +: BANK_W]]
                        && req_line[i*LINE_AW +: LINE_AW] == lk_line[req_bank[i*BANK_W +: BANK_W]*LINE_AW +: LINE_AW];
            end
            wire unused_won = &{1'b0, won};
        end
    endgenerate

endmodule

`resetall
