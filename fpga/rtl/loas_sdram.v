// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Controller for a single-data-rate SDRAM of 16 bits.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: 32 MB for networks and images that no block RAM holds, at a word of 16 bits a cycle.
//
// Contract: requests at req_* as loas_mem_front sends them, words of W bits that become bursts of W / 16; rsp_* in
// order. Rows stay open, one in each bank; reads of an open row follow each other without a gap (W / 16 cycles each). A
// read of an open row is answered 5 + W / 16 + 2 * PIN_STAGES cycles after it was taken; another row costs up to T_RP +
// T_RCD more, a refresh T_RP + T_RFC. Consecutive addresses go through the columns of a row, then to the next bank.
// Requests wait (req_ready low) until the SDRAM is set up, INIT_US after rst.
//
// Clock and pins: everything leaves and enters through registers, here and, if they are told in PIN_STAGES, in the
// cells of the pins, so that all pins change together. The SDRAM's clock must be a quarter of a period behind clk:
// commands then have a quarter of a period of set-up and three of hold, and data that were asked for at edge k of clk
// are sampled at edge k + 2 (CAS latency 2).
// At 50 MHz: they are valid 20 + 5 + 6 (tAC) = 31 ns after k, plus some 6 ns through both pads, and are sampled 40 ns
// after it. Times are those of the slowest common parts (IS42S16160G-7, W9825G6KH-6, AS4C16M16SA-7): tRP, tRCD 20 ns,
// tRFC 66 ns, tRAS 44 ns, tWR two cycles, 8192 refreshes in 64 ms.
module loas_sdram #(
    parameter integer W       = 64,          // 32, 64 or 128
    parameter integer CLK_HZ  = 50_000_000,  // of clk: at most 100 MHz at CAS latency 2
    parameter integer INIT_US = 200,         // pause after power-up
    parameter integer PIN_STAGES = 1,        // registers between these ports and the pins: as many each way
    parameter integer ROW_W   = 13,
    parameter integer COL_W   = 9
) (
    input  wire                     clk,
    input  wire                     rst,

    input  wire                     req_valid,
    output wire                     req_ready,
    input  wire                     req_write,
    input  wire [ROW_W+COL_W+2:0]   req_addr,     // bytes
    input  wire [W-1:0]             req_data,
    input  wire [W/8-1:0]           req_strb,
    output wire                     rsp_valid,
    output wire [W-1:0]             rsp_data,

    output wire                     sdram_cke,
    output wire                     sdram_cs_n,
    output wire                     sdram_ras_n,
    output wire                     sdram_cas_n,
    output wire                     sdram_we_n,
    output wire [1:0]               sdram_ba,
    output wire [ROW_W-1:0]         sdram_a,
    output wire [1:0]               sdram_dqm,
    output wire [15:0]              sdram_dq_out,
    output wire                     sdram_dq_oe,
    input  wire [15:0]              sdram_dq_in
);

    localparam integer BURST   = W / 16;
    localparam integer BEAT_W  = $clog2(BURST + 1);
    localparam integer MHZ     = (CLK_HZ + 999_999) / 1_000_000;
    localparam integer T_RP    = (20 * MHZ + 999) / 1000 + 1;     // a cycle more than asked for
    localparam integer T_RCD   = (20 * MHZ + 999) / 1000 + 1;
    localparam integer T_RAS   = (44 * MHZ + 999) / 1000 + 1;
    localparam integer T_RFC   = (70 * MHZ + 999) / 1000 + 1;
    localparam integer T_MRD   = 2;
    // a refresh may have to wait for a burst, precharge included: 30 cycles are left for that
    localparam integer REFRESH = 64 * (CLK_HZ / 1000) / 8192 - 30;
    localparam integer INIT    = INIT_US * MHZ;
    localparam integer PAUSE_W = $clog2((INIT > REFRESH ? INIT : REFRESH) + 2);

    generate
        if (W != 32 && W != 64 && W != 128) begin : gen_illegal_w
            loas_sdram_W_must_be_32_64_or_128 rule_inst ();
        end
        if (CLK_HZ < 10_000_000 || CLK_HZ > 100_000_000) begin : gen_illegal_clock
            loas_sdram_CLK_HZ_must_be_10_to_100_MHz rule_inst ();
        end
        if (PIN_STAGES < 0) begin : gen_illegal_stages
            loas_sdram_PIN_STAGES_must_be_at_least_0 rule_inst ();
        end
        if (ROW_W < 11 || ROW_W > 13 || COL_W < 8 || COL_W > 10) begin : gen_illegal_shape
            loas_sdram_ROW_W_must_be_11_to_13_and_COL_W_8_to_10 rule_inst ();
        end
    endgenerate

    // {ras_n, cas_n, we_n}
    localparam [2:0] NOP = 3'b111, ACTIVE = 3'b011, READ = 3'b101, WRITE = 3'b100, PRECHARGE = 3'b010,
        REFRESH_ALL = 3'b001,
                     MODE = 3'b000;

    // burst length, sequential, CAS latency 2, bursts of writes too
    localparam [2:0] LENGTH = BURST == 2 ? 3'd1 : BURST == 4 ? 3'd2 : 3'd3;
    localparam [ROW_W-1:0] MODE_WORD = {{(ROW_W-7){1'b0}}, 3'd2, 1'b0, LENGTH};
    localparam [ROW_W-1:0] ALL_BANKS = 1 << 10;

    localparam integer GAP_W = 5;   // the longest gap is T_RFC at 100 MHz, or a burst of 8 with its turn-round
    localparam [GAP_W-1:0] GAP_NONE = {GAP_W{1'b0}};
    localparam integer GAP_BURST      = BURST - 1;   // to the next read of an open row
    // read to write: the SDRAM has let go of the bus; longer than to precharge
    localparam integer GAP_READ       = BURST + 2;
    localparam integer GAP_WRITE      = BURST + 2;   // write to precharge: tWR
    localparam integer GAP_PRECHARGE  = T_RP - 1;
    localparam integer GAP_ACTIVE     = T_RCD - 1;
    localparam integer GAP_RAS        = T_RAS - 1;       // open to precharge, when a refresh comes before the access
    localparam integer GAP_REFRESH    = T_RFC - 1;
    localparam integer GAP_MODE       = T_MRD;

    wire [COL_W-1:0] col  = req_addr[1 +: COL_W];
    wire [1:0]       bank = req_addr[COL_W+1 +: 2];
    wire [ROW_W-1:0] row  = req_addr[COL_W+3 +: ROW_W];
    wire             unused_half = req_addr[0];

    // ------------------------------------------------------------------------------------------------- what to do next
    localparam [2:0] POWER = 3'd0, CLEAR = 3'd1, REFRESHES = 3'd2, SET_MODE = 3'd3, RUN = 3'd4, RENEW = 3'd5;

    reg [2:0]         state_reg;
    reg [PAUSE_W-1:0] pause_reg;      // cycles to the end of the pause, or to the next refresh
    reg [2:0]         left_reg;       // refreshes before the mode is set
    reg               due_reg;        // a refresh
    reg [GAP_W-1:0]   gap_reg;        // cycles before any command
    reg [GAP_W-1:0]   gap_read_reg;   // before a read of an open row
    reg [GAP_W-1:0]   gap_close_reg;  // before a bank is closed
    reg [3:0]         open_reg;
    reg [ROW_W-1:0]   row_reg [0:3];
    reg               busy_read_reg;  // the last command was a read: only reads may follow early

    wire idle     = gap_reg == GAP_NONE;
    wire hit      = open_reg[bank] && row_reg[bank] == row;
    wire early    = busy_read_reg && gap_read_reg == GAP_NONE && !req_write;
    wire run      = state_reg == RUN && !due_reg;
    wire transfer = run && req_valid && hit && (idle || early);
    wire read     = transfer && !req_write;
    wire write    = transfer && req_write;
    wire may_close = idle && gap_close_reg == GAP_NONE;
    wire close    = run && req_valid && open_reg[bank] && !hit && may_close;
    wire open     = run && req_valid && !open_reg[bank] && idle;
    wire close_all = may_close && ((state_reg == CLEAR) || (state_reg == RUN && due_reg));
    wire renew    = idle && (state_reg == REFRESHES || state_reg == RENEW);
    wire set_mode = idle && state_reg == SET_MODE;

    assign req_ready = transfer;

    always @(posedge clk) begin
        case (state_reg)
            POWER: begin        // for the end of the pause after power-up
                if (pause_reg == {PAUSE_W{1'b0}}) state_reg <= CLEAR;
            end
            CLEAR: begin        // to close all banks
                if (close_all) state_reg <= REFRESHES;
                left_reg <= 3'd7;
            end
            REFRESHES: begin    // for eight refreshes
                if (renew) left_reg <= left_reg - 3'd1;
                if (renew && left_reg == 3'd0) state_reg <= SET_MODE;
            end
            SET_MODE: begin     // to set the mode
                if (set_mode) state_reg <= RUN;
            end
            RUN: begin          // for requests, or a refresh that is due
                if (close_all) state_reg <= RENEW;
            end
            default: begin      // RENEW: for the banks to be closed
                if (renew) state_reg <= RUN;
            end
        endcase

        pause_reg <= pause_reg - 1'b1;
        if (state_reg != POWER && pause_reg == {PAUSE_W{1'b0}}) begin
            pause_reg <= REFRESH[PAUSE_W-1:0];
            due_reg   <= 1'b1;
        end else if (state_reg == POWER && pause_reg == {PAUSE_W{1'b0}}) begin
            pause_reg <= REFRESH[PAUSE_W-1:0];
        end
        if (renew) due_reg <= 1'b0;

        if (gap_reg != GAP_NONE) gap_reg <= gap_reg - 1'b1;
        if (gap_read_reg != GAP_NONE) gap_read_reg <= gap_read_reg - 1'b1;
        if (gap_close_reg != GAP_NONE) gap_close_reg <= gap_close_reg - 1'b1;
        if (open) gap_close_reg <= GAP_RAS[GAP_W-1:0];
        if (read) begin
            gap_reg       <= GAP_READ[GAP_W-1:0];
            gap_read_reg  <= GAP_BURST[GAP_W-1:0];
            busy_read_reg <= 1'b1;
        end
        if (write || open || close || close_all || renew || set_mode) begin
            gap_reg       <= write    ? GAP_WRITE[GAP_W-1:0]
                           : open     ? GAP_ACTIVE[GAP_W-1:0]
                           : renew    ? GAP_REFRESH[GAP_W-1:0]
                           : set_mode ? GAP_MODE[GAP_W-1:0] : GAP_PRECHARGE[GAP_W-1:0];
            busy_read_reg <= 1'b0;
        end
        if (open) begin
            open_reg[bank] <= 1'b1;
            row_reg[bank]  <= row;
        end
        if (close) open_reg[bank] <= 1'b0;
        if (close_all) open_reg <= 4'b0000;
        if (rst) begin
            state_reg     <= POWER;
            pause_reg     <= INIT[PAUSE_W-1:0];
            due_reg       <= 1'b0;
            gap_reg       <= GAP_NONE;
            gap_read_reg  <= GAP_NONE;
            gap_close_reg <= GAP_NONE;
            busy_read_reg <= 1'b0;
            open_reg      <= 4'b0000;
        end
    end

    // -------------------------------------------------------------------------------------------------------- the pins
    reg              cke_reg;   // low until the first reset is over: before, nothing says what is at the other pins
    reg [2:0]        cmd_reg;
    reg [1:0]        ba_reg;
    reg [ROW_W-1:0]  a_reg;
    reg [1:0]        dqm_reg;
    reg [15:0]       dq_out_reg;
    reg              dq_oe_reg;
    reg [15:0]       dq_in_reg;
    reg [BEAT_W-1:0] out_left_reg;      // halves of the word that is written, behind the one at the pins
    reg [W-1:0]      out_reg;
    reg [W/8-1:0]    out_strb_reg;

    assign sdram_cke    = cke_reg;
    assign sdram_cs_n   = 1'b0;
    assign {sdram_ras_n, sdram_cas_n, sdram_we_n} = cmd_reg;
    assign sdram_ba     = ba_reg;
    assign sdram_a      = a_reg;
    assign sdram_dqm    = dqm_reg;
    assign sdram_dq_out = dq_out_reg;
    assign sdram_dq_oe  = dq_oe_reg;

    initial cke_reg = 1'b0;

    always @(posedge clk) cke_reg <= !rst;

    wire writing = write || out_left_reg != {BEAT_W{1'b0}};

    always @(posedge clk) begin
        cmd_reg <= read ? READ : write ? WRITE : open ? ACTIVE : close || close_all ? PRECHARGE : renew ? REFRESH_ALL
                 : set_mode ? MODE : NOP;
        ba_reg  <= set_mode ? 2'd0 : bank;
        a_reg   <= open ? row : close_all ? ALL_BANKS : set_mode
            ? MODE_WORD : {{(ROW_W-COL_W){1'b0}}, col} & ~ALL_BANKS;
        // a byte that is not written is masked with its half; the mask must be low two cycles before data that are read
        dqm_reg      <= write ? ~req_strb[1:0] : out_left_reg != {BEAT_W{1'b0}} ? ~out_strb_reg[1:0] : 2'b00;
        dq_out_reg   <= write ? req_data[15:0] : out_reg[15:0];
        dq_oe_reg    <= writing;
        out_left_reg <= write ? BURST[BEAT_W-1:0] - 1'b1 : out_left_reg != {BEAT_W{1'b0}}
            ? out_left_reg - 1'b1 : out_left_reg;
        out_reg      <= (write ? req_data : out_reg) >> 16;
        out_strb_reg <= (write ? req_strb : out_strb_reg) >> 2;
        dq_in_reg    <= sdram_dq_in;
        if (rst) begin
            cmd_reg      <= NOP;
            dqm_reg      <= 2'b11;
            dq_oe_reg    <= 1'b0;
            out_left_reg <= {BEAT_W{1'b0}};
        end
    end

    // ------------------------------------------------------------------------------------------------- words that come
    // the command is at the pins a cycle after it was chosen, the first half in dq_in_reg two cycles later,
    // and the registers at the pins add theirs
    localparam integer LAST = 2 + 2 * PIN_STAGES;

    reg [LAST:0]     asked_reg;
    reg [BEAT_W-1:0] in_left_reg;
    reg [W-1:0]      in_reg;
    reg              rsp_valid_reg;

    wire in_first = asked_reg[LAST];
    wire in_beat  = in_first || in_left_reg != {BEAT_W{1'b0}};

    assign rsp_valid = rsp_valid_reg;
    assign rsp_data  = in_reg;

    always @(posedge clk) begin
        asked_reg <= {asked_reg[LAST-1:0], read};
        if (in_beat) begin
            in_left_reg <= in_first ? BURST[BEAT_W-1:0] - 1'b1 : in_left_reg - 1'b1;
            in_reg      <= {dq_in_reg, in_reg[W-1:16]};
        end
        rsp_valid_reg <= in_beat && !in_first && in_left_reg == {{(BEAT_W-1){1'b0}}, 1'b1};
        if (rst) begin
            asked_reg     <= {(LAST+1){1'b0}};
            in_left_reg   <= {BEAT_W{1'b0}};
            rsp_valid_reg <= 1'b0;
        end
    end

endmodule

`resetall
