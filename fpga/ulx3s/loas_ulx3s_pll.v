// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Clocks of the ULX3S: a multiple of the board's 25 MHz, and the same a quarter of a period later for the SDRAM.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: `locked` rises when both run. The oscillator inside runs at 25 MHz * FEEDBACK * DIVIDER = 600 MHz (400 to 800 are legal);
// a phase is counted in its periods, so a quarter of an output period is DIVIDER / 4 of them.
module loas_ulx3s_pll #(
    parameter integer FEEDBACK = 2,     // output / input frequency
    parameter integer DIVIDER  = 12     // oscillator / output frequency, a multiple of 4
) (
    input  wire clk_25mhz,
    output wire clk,
    output wire clk_late,
    output wire locked
);

    localparam integer PHASE = DIVIDER / 2 - 1;   // of an output that is in step with the input

    (* ICP_CURRENT = "12" *) (* LPF_RESISTOR = "8" *)
    EHXPLLL #(
        .PLLRST_ENA("DISABLED"), .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"),
        .OUTDIVIDER_MUXA("DIVA"), .OUTDIVIDER_MUXB("DIVB"), .OUTDIVIDER_MUXC("DIVC"), .OUTDIVIDER_MUXD("DIVD"),
        .FEEDBK_PATH("CLKOP"), .CLKI_DIV(1), .CLKFB_DIV(FEEDBACK),
        .CLKOP_ENABLE("ENABLED"), .CLKOP_DIV(DIVIDER), .CLKOP_CPHASE(PHASE), .CLKOP_FPHASE(0),
        .CLKOS_ENABLE("ENABLED"), .CLKOS_DIV(DIVIDER), .CLKOS_CPHASE(PHASE + DIVIDER / 4), .CLKOS_FPHASE(0)
    ) pll_inst (
        .RST(1'b0), .STDBY(1'b0), .CLKI(clk_25mhz), .CLKOP(clk), .CLKOS(clk_late), .CLKFB(clk), .LOCK(locked),
        .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0)
    );

endmodule

`resetall
