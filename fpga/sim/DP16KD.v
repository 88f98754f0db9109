// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Lattice ECP5 block RAM, for simulation of netlists.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: Yosys has no behaviour of this cell for simulation, and a netlist is to be simulated.
//
// Contract: as Yosys uses it: no output registers, synchronous reset of the outputs. 1024 rows of 18 bits. Widths 1, 2
// and 4 use eight of nine bits, as the part does; widths 18 and 36 have byte enables in the low address bits; width 36
// is one port that writes (A) and one that reads (B). Modes NORMAL (outputs hold while writing) and READBEFOREWRITE.
// Initial contents: 16 rows of 20 bits each INITVAL. When a port reads a bit that the other writes at the same time it
// gets the complement of what is written: a design may not depend on it.
module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter GSR = "AUTO",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter [319:0] INITVAL_00 = 320'd0,
    parameter [319:0] INITVAL_01 = 320'd0,
    parameter [319:0] INITVAL_02 = 320'd0,
    parameter [319:0] INITVAL_03 = 320'd0,
    parameter [319:0] INITVAL_04 = 320'd0,
    parameter [319:0] INITVAL_05 = 320'd0,
    parameter [319:0] INITVAL_06 = 320'd0,
    parameter [319:0] INITVAL_07 = 320'd0,
    parameter [319:0] INITVAL_08 = 320'd0,
    parameter [319:0] INITVAL_09 = 320'd0,
    parameter [319:0] INITVAL_0A = 320'd0,
    parameter [319:0] INITVAL_0B = 320'd0,
    parameter [319:0] INITVAL_0C = 320'd0,
    parameter [319:0] INITVAL_0D = 320'd0,
    parameter [319:0] INITVAL_0E = 320'd0,
    parameter [319:0] INITVAL_0F = 320'd0,
    parameter [319:0] INITVAL_10 = 320'd0,
    parameter [319:0] INITVAL_11 = 320'd0,
    parameter [319:0] INITVAL_12 = 320'd0,
    parameter [319:0] INITVAL_13 = 320'd0,
    parameter [319:0] INITVAL_14 = 320'd0,
    parameter [319:0] INITVAL_15 = 320'd0,
    parameter [319:0] INITVAL_16 = 320'd0,
    parameter [319:0] INITVAL_17 = 320'd0,
    parameter [319:0] INITVAL_18 = 320'd0,
    parameter [319:0] INITVAL_19 = 320'd0,
    parameter [319:0] INITVAL_1A = 320'd0,
    parameter [319:0] INITVAL_1B = 320'd0,
    parameter [319:0] INITVAL_1C = 320'd0,
    parameter [319:0] INITVAL_1D = 320'd0,
    parameter [319:0] INITVAL_1E = 320'd0,
    parameter [319:0] INITVAL_1F = 320'd0,
    parameter [319:0] INITVAL_20 = 320'd0,
    parameter [319:0] INITVAL_21 = 320'd0,
    parameter [319:0] INITVAL_22 = 320'd0,
    parameter [319:0] INITVAL_23 = 320'd0,
    parameter [319:0] INITVAL_24 = 320'd0,
    parameter [319:0] INITVAL_25 = 320'd0,
    parameter [319:0] INITVAL_26 = 320'd0,
    parameter [319:0] INITVAL_27 = 320'd0,
    parameter [319:0] INITVAL_28 = 320'd0,
    parameter [319:0] INITVAL_29 = 320'd0,
    parameter [319:0] INITVAL_2A = 320'd0,
    parameter [319:0] INITVAL_2B = 320'd0,
    parameter [319:0] INITVAL_2C = 320'd0,
    parameter [319:0] INITVAL_2D = 320'd0,
    parameter [319:0] INITVAL_2E = 320'd0,
    parameter [319:0] INITVAL_2F = 320'd0,
    parameter [319:0] INITVAL_30 = 320'd0,
    parameter [319:0] INITVAL_31 = 320'd0,
    parameter [319:0] INITVAL_32 = 320'd0,
    parameter [319:0] INITVAL_33 = 320'd0,
    parameter [319:0] INITVAL_34 = 320'd0,
    parameter [319:0] INITVAL_35 = 320'd0,
    parameter [319:0] INITVAL_36 = 320'd0,
    parameter [319:0] INITVAL_37 = 320'd0,
    parameter [319:0] INITVAL_38 = 320'd0,
    parameter [319:0] INITVAL_39 = 320'd0,
    parameter [319:0] INITVAL_3A = 320'd0,
    parameter [319:0] INITVAL_3B = 320'd0,
    parameter [319:0] INITVAL_3C = 320'd0,
    parameter [319:0] INITVAL_3D = 320'd0,
    parameter [319:0] INITVAL_3E = 320'd0,
    parameter [319:0] INITVAL_3F = 320'd0,
    parameter INIT_DATA = "STATIC"
) (

    input  wire DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15,
        DIA16, DIA17,
    input  wire ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input  wire CEA, OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2,
    output wire DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15,
        DOA16, DOA17,
    input  wire DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15,
        DIB16, DIB17,
    input  wire ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input  wire CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2,
    output wire DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15,
        DOB16, DOB17
);

    generate
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
            || (DATA_WIDTH_A == 36) != (DATA_WIDTH_B == 36)) begin : gen_not_modelled
            DP16KD_of_this_kind_is_not_modelled rule_inst ();
        end
    endgenerate

    reg [17:0] mem [0:1023];
    reg [35:0] out_a, out_b;

    task load(input [5:0] block, input [319:0] rows);
        integer i;
        for (i = 0; i < 16; i = i + 1) mem[{block, i[3:0]}] = rows[20*i +: 18];
    endtask

    initial begin
        load(6'd0, INITVAL_00);
        load(6'd1, INITVAL_01);
        load(6'd2, INITVAL_02);
        load(6'd3, INITVAL_03);
        load(6'd4, INITVAL_04);
        load(6'd5, INITVAL_05);
        load(6'd6, INITVAL_06);
        load(6'd7, INITVAL_07);
        load(6'd8, INITVAL_08);
        load(6'd9, INITVAL_09);
        load(6'd10, INITVAL_0A);
        load(6'd11, INITVAL_0B);
        load(6'd12, INITVAL_0C);
        load(6'd13, INITVAL_0D);
        load(6'd14, INITVAL_0E);
        load(6'd15, INITVAL_0F);
        load(6'd16, INITVAL_10);
        load(6'd17, INITVAL_11);
        load(6'd18, INITVAL_12);
        load(6'd19, INITVAL_13);
        load(6'd20, INITVAL_14);
        load(6'd21, INITVAL_15);
        load(6'd22, INITVAL_16);
        load(6'd23, INITVAL_17);
        load(6'd24, INITVAL_18);
        load(6'd25, INITVAL_19);
        load(6'd26, INITVAL_1A);
        load(6'd27, INITVAL_1B);
        load(6'd28, INITVAL_1C);
        load(6'd29, INITVAL_1D);
        load(6'd30, INITVAL_1E);
        load(6'd31, INITVAL_1F);
        load(6'd32, INITVAL_20);
        load(6'd33, INITVAL_21);
        load(6'd34, INITVAL_22);
        load(6'd35, INITVAL_23);
        load(6'd36, INITVAL_24);
        load(6'd37, INITVAL_25);
        load(6'd38, INITVAL_26);
        load(6'd39, INITVAL_27);
        load(6'd40, INITVAL_28);
        load(6'd41, INITVAL_29);
        load(6'd42, INITVAL_2A);
        load(6'd43, INITVAL_2B);
        load(6'd44, INITVAL_2C);
        load(6'd45, INITVAL_2D);
        load(6'd46, INITVAL_2E);
        load(6'd47, INITVAL_2F);
        load(6'd48, INITVAL_30);
        load(6'd49, INITVAL_31);
        load(6'd50, INITVAL_32);
        load(6'd51, INITVAL_33);
        load(6'd52, INITVAL_34);
        load(6'd53, INITVAL_35);
        load(6'd54, INITVAL_36);
        load(6'd55, INITVAL_37);
        load(6'd56, INITVAL_38);
        load(6'd57, INITVAL_39);
        load(6'd58, INITVAL_3A);
        load(6'd59, INITVAL_3B);
        load(6'd60, INITVAL_3C);
        load(6'd61, INITVAL_3D);
        load(6'd62, INITVAL_3E);
        load(6'd63, INITVAL_3F);
        out_a = 36'd0;
        out_b = 36'd0;
    end

    wire [13:0] addr_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] addr_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] di_a   =
        {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
        DIA0};
    wire [17:0] di_b   =
        {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1,
        DIB0};

    // of an address: the first bit of its row that a port of a width touches, and all of them (36: of both rows)
    function [4:0] low(input integer width, input [13:0] addr);
        case (width)
            1:       low = (addr[3] ? 5'd9 : 5'd0) + {2'd0, addr[2:0]};
            2:       low = (addr[3] ? 5'd9 : 5'd0) + {2'd0, addr[2:1], 1'b0};
            4:       low = (addr[3] ? 5'd9 : 5'd0) + {2'd0, addr[2], 2'd0};
            9:       low = addr[3] ? 5'd9 : 5'd0;
            default: low = 5'd0;
        endcase
    endfunction

    function [17:0] lanes(input integer width, input [13:0] addr);
        case (width)
            1:       lanes = 18'h00001 << low(width, addr);
            2:       lanes = 18'h00003 << low(width, addr);
            4:       lanes = 18'h0000f << low(width, addr);
            9:       lanes = 18'h001ff << low(width, addr);
            default: lanes = 18'h3ffff;
        endcase
    endfunction

    // what is written this time: rows, and bits of them
    wire        wr_a   = CEA && WEA && !CSA0 && !CSA1 && !CSA2;
    wire        wr_b   = CEB && WEB && !CSB0 && !CSB1 && !CSB2 && DATA_WIDTH_B != 36;
    wire [9:0]  row_a  = DATA_WIDTH_A == 36 ? {addr_a[13:5], 1'b0} : addr_a[13:4];
    wire [9:0]  row_b  = DATA_WIDTH_B == 36 ? {addr_b[13:5], 1'b0} : addr_b[13:4];
    wire [17:0] byte_a = DATA_WIDTH_A >= 18 ? {{9{addr_a[1]}}, {9{addr_a[0]}}} : 18'h3ffff;
    wire [17:0] high_a = {{9{addr_a[3]}}, {9{addr_a[2]}}};
    wire [17:0] byte_b = DATA_WIDTH_B >= 18 ? {{9{addr_b[1]}}, {9{addr_b[0]}}} : 18'h3ffff;
    wire [17:0] mask_a = wr_a ? lanes(DATA_WIDTH_A, addr_a) & byte_a : 18'd0;
    wire [17:0] mask_h = wr_a && DATA_WIDTH_A == 36 ? high_a : 18'd0;        // of the row above
    wire [17:0] mask_b = wr_b ? lanes(DATA_WIDTH_B, addr_b) & byte_b : 18'd0;
    wire [17:0] data_a = di_a << low(DATA_WIDTH_A, addr_a);
    wire [17:0] data_b = di_b << low(DATA_WIDTH_B, addr_b);

    // reads: the complement where the other port writes
    wire [17:0] see_a  = row_a == row_b ? (mem[row_a] & ~mask_b) | (~data_b & mask_b) : mem[row_a];
    wire [17:0] see_b  = row_a == row_b ? (mem[row_b] & ~mask_a) | (~data_a & mask_a) : mem[row_b];
    wire [9:0]  next_b = {row_b[9:1], 1'b1};
    wire [17:0] see_h  = row_a == row_b ? (mem[next_b] & ~mask_h) | (~di_b & mask_h) : mem[next_b];

    wire hold_a = wr_a && WRITEMODE_A == "NORMAL";
    wire hold_b = wr_b && WRITEMODE_B == "NORMAL";

    always @(posedge CLKA) begin
        if (CEA && !hold_a && DATA_WIDTH_A != 36) out_a <=
            {18'd0, (see_a >> low(DATA_WIDTH_A, addr_a)) & (lanes(DATA_WIDTH_A, addr_a) >> low(DATA_WIDTH_A, addr_a))};
        if (RSTA) out_a <= RESETMODE == "SYNC" ? 36'd0 : {36{1'bx}};    // an asynchronous reset is not modelled
        if (|mask_a) mem[row_a] <= (mem[row_a] & ~mask_a) | (data_a & mask_a);
        if (|mask_h) mem[{row_a[9:1], 1'b1}] <= (mem[{row_a[9:1], 1'b1}] & ~mask_h) | (di_b & mask_h);
    end

    always @(posedge CLKB) begin
        if (CEB && !hold_b) out_b <= DATA_WIDTH_B == 36 ? {see_h, see_b}
                                   : {18'd0, (see_b >> low(DATA_WIDTH_B, addr_b))
                                       & (lanes(DATA_WIDTH_B, addr_b) >> low(DATA_WIDTH_B, addr_b))};
        if (RSTB) out_b <= RESETMODE == "SYNC" ? 36'd0 : {36{1'bx}};
        if (|mask_b) mem[row_b] <= (mem[row_b] & ~mask_b) | (data_b & mask_b);
    end

    // the port of 36 bits comes out at both: low half at A's pins, high half at B's
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
        DOA1, DOA0} = DATA_WIDTH_B == 36 ? out_b[17:0] : out_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0} = DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];

    wire unused_ok = &{1'b0, OCEA, OCEB};

endmodule

`resetall
