// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Clocks of the ULX3S: a multiple of 5 MHz from the board's 25 MHz, and the same a quarter of a period later for the
// SDRAM.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: `locked` rises when both run. The oscillator inside runs at MHZ * DIVIDER (400 to 800 are legal; here near
// 600); a phase is counted in its periods, so DIVIDER is a multiple of 4 and a quarter of an output period DIVIDER / 4
// of them.
module loas_ulx3s_pll #(
    parameter integer MHZ = 50      // a multiple of 5, 20 to 100
) (
    input  wire clk_25mhz,
    output wire clk,
    output wire clk_late,
    output wire locked
);

    generate
        if (MHZ % 5 != 0 || MHZ < 20 || MHZ > 100) begin : gen_illegal
            loas_ulx3s_pll_MHZ_must_be_a_multiple_of_5_from_20_to_100 rule_inst ();
        end
    endgenerate

    localparam integer DIVIDER = 4 * ((150 + MHZ / 2) / MHZ);     // oscillator / output frequency
    localparam integer PHASE = DIVIDER / 2 - 1;   // of an output that is in step with the input

    (* ICP_CURRENT = "12" *) (* LPF_RESISTOR = "8" *)
    EHXPLLL #(
        .PLLRST_ENA("DISABLED"), .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"),
        .OUTDIVIDER_MUXA("DIVA"), .OUTDIVIDER_MUXB("DIVB"), .OUTDIVIDER_MUXC("DIVC"), .OUTDIVIDER_MUXD("DIVD"),
        .FEEDBK_PATH("CLKOP"), .CLKI_DIV(5), .CLKFB_DIV(MHZ / 5),
        .CLKOP_ENABLE("ENABLED"), .CLKOP_DIV(DIVIDER), .CLKOP_CPHASE(PHASE), .CLKOP_FPHASE(0),
        .CLKOS_ENABLE("ENABLED"), .CLKOS_DIV(DIVIDER), .CLKOS_CPHASE(PHASE + DIVIDER / 4), .CLKOS_FPHASE(0)
    ) pll_inst (
        .RST(1'b0), .STDBY(1'b0), .CLKI(clk_25mhz), .CLKOP(clk), .CLKOS(clk_late), .CLKFB(clk), .LOCK(locked),
        .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0),
        .ENCLKOP(1'b0)
    );

endmodule

`resetall
