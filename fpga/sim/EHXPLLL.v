// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Lattice ECP5 PLL, for simulation without time.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: only what loas_ulx3s_pll uses. CLKOP is CLKI, whatever the dividers say: a test clocks CLKI at the rate
// that CLKOP has on the board. CLKOS is CLKOP turned over: in a simulation without delays any lag from the edge to half
// a period orders events alike, and the quarter of a period on the board is one of them. LOCK rises after eight edges.
// What the parameters say of time is checked here, since it cannot be seen: an oscillator between 400 and 800 MHz from
// 25 MHz, and CLKOS a quarter of a period late.
module EHXPLLL #(
    parameter PLLRST_ENA = "DISABLED", parameter INTFB_WAKE = "DISABLED", parameter STDBY_ENABLE = "DISABLED",
    parameter DPHASE_SOURCE = "DISABLED", parameter OUTDIVIDER_MUXA = "DIVA", parameter OUTDIVIDER_MUXB = "DIVB",
    parameter OUTDIVIDER_MUXC = "DIVC", parameter OUTDIVIDER_MUXD = "DIVD", parameter FEEDBK_PATH = "CLKOP",
    parameter integer CLKI_DIV = 1, parameter integer CLKFB_DIV = 1,
    parameter CLKOP_ENABLE = "ENABLED", parameter integer CLKOP_DIV = 8, parameter integer CLKOP_CPHASE = 0,
    parameter integer CLKOP_FPHASE = 0,
    parameter CLKOS_ENABLE = "DISABLED", parameter integer CLKOS_DIV = 8, parameter integer CLKOS_CPHASE = 0,
    parameter integer CLKOS_FPHASE = 0
) (
    input  wire RST,
    input  wire STDBY,
    input  wire CLKI,
    input  wire CLKFB,
    input  wire PHASESEL0,
    input  wire PHASESEL1,
    input  wire PHASEDIR,
    input  wire PHASESTEP,
    input  wire PHASELOADREG,
    input  wire PLLWAKESYNC,
    input  wire ENCLKOP,
    output wire CLKOP,
    output wire CLKOS,
    output wire LOCK
);

    generate
        if (PLLRST_ENA != "DISABLED" || INTFB_WAKE != "DISABLED" || STDBY_ENABLE != "DISABLED"
            || DPHASE_SOURCE != "DISABLED"
            || OUTDIVIDER_MUXA != "DIVA" || OUTDIVIDER_MUXB != "DIVB" || OUTDIVIDER_MUXC != "DIVC"
                || OUTDIVIDER_MUXD != "DIVD"
            || FEEDBK_PATH != "CLKOP" || CLKOP_ENABLE != "ENABLED" || CLKOS_ENABLE != "ENABLED" || CLKOP_FPHASE != 0
            || CLKOS_FPHASE != 0) begin : gen_not_modelled
            EHXPLLL_of_this_kind_is_not_modelled rule_inst ();
        end
        if (25 * CLKFB_DIV * CLKOP_DIV < 400 * CLKI_DIV
            || 25 * CLKFB_DIV * CLKOP_DIV > 800 * CLKI_DIV) begin : gen_oscillator
            EHXPLLL_oscillator_must_run_at_400_to_800_MHz rule_inst ();
        end
        if (CLKOS_DIV != CLKOP_DIV || 4 * (CLKOS_CPHASE - CLKOP_CPHASE) != CLKOP_DIV) begin : gen_phase
            EHXPLLL_CLKOS_must_be_a_quarter_of_a_period_late rule_inst ();
        end
    endgenerate

    reg [3:0] count_reg;

    initial count_reg = 4'd0;

    assign CLKOP = CLKI;
    assign CLKOS = !CLKI;
    assign LOCK  = count_reg[3];

    always @(posedge CLKI) if (!count_reg[3]) count_reg <= count_reg + 4'd1;

    wire unused_ok =
        &{1'b0, RST, STDBY, CLKFB, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP};

endmodule

`resetall
