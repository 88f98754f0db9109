// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4-Lite slave with the machine's registers (spec/registers.toml) and its interrupt.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Contract: one read and one write in flight, each independent of the other; AW and W may come in any order. A read is
// answered one cycle after its address, a write one cycle after the later of address and data. `start` and
// `soft_reset` pulse with the write of CTRL (both bits: reset first, then start). WSTRB is honoured byte by byte.
// An address without a register, and a write to a read-only one, answers SLVERR, reads zero and changes nothing.
// The lowest two address bits are ignored. IRQ_STATUS is set by the set_* pulses, which win against a clear in the
// same cycle; a write of ones clears. A 64-bit counter is two reads: while a layer runs, read high, low, high again.
module loas_axil_regs #(
    parameter [31:0] CONFIG0 = 0,  // what CONFIG0 to CONFIG5 read
    parameter [31:0] CONFIG1 = 0,
    parameter [31:0] CONFIG2 = 0,
    parameter [31:0] CONFIG3 = 0,
    parameter [31:0] CONFIG4 = 0,
    parameter [31:0] CONFIG5 = 0
) (
    input  wire          clk,
    input  wire          rst,

    // AXI4-Lite
    input  wire [11:0]   s_axil_awaddr,
    input  wire          s_axil_awvalid,
    output wire          s_axil_awready,
    input  wire [31:0]   s_axil_wdata,
    input  wire [3:0]    s_axil_wstrb,
    input  wire          s_axil_wvalid,
    output wire          s_axil_wready,
    output wire [1:0]    s_axil_bresp,
    output wire          s_axil_bvalid,
    input  wire          s_axil_bready,
    input  wire [11:0]   s_axil_araddr,
    input  wire          s_axil_arvalid,
    output wire          s_axil_arready,
    output wire [31:0]   s_axil_rdata,
    output wire [1:0]    s_axil_rresp,
    output wire          s_axil_rvalid,
    input  wire          s_axil_rready,

    // to the control
    output wire          start,
    output wire          soft_reset,
    output wire [31:0]   image_base,
    output wire [31:0]   image_size,
    output wire [31:0]   watchdog,

    // from the control
    input  wire          busy,
    input  wire          done,
    input  wire          error,
    input  wire          draining,
    input  wire          set_done,
    input  wire          set_error,
    input  wire [3:0]    err_code,
    input  wire [31:0]   err_addr,
    input  wire [15:0]   err_layer,
    input  wire [15:0]   layer,
    input  wire [1023:0] perf,

    output wire          irq
);

    localparam [1:0] RESP_OKAY   = 2'b00;
    localparam [1:0] RESP_SLVERR = 2'b10;

    // ------------------------------------------------------------------------------------------------- write channel
    reg        aw_held_reg;
    reg        w_held_reg;
    reg [9:0]  aw_word_reg;
    reg [31:0] w_data_reg;
    reg [3:0]  w_strb_reg;
    reg        b_valid_reg;
    reg        b_bad_reg;

    wire       write = aw_held_reg & w_held_reg & (~b_valid_reg | s_axil_bready);
    wire [31:0] bit_strb = {{8{w_strb_reg[3]}}, {8{w_strb_reg[2]}}, {8{w_strb_reg[1]}}, {8{w_strb_reg[0]}}};
    wire [31:0] ones = w_data_reg & bit_strb;

    wire is_ctrl       = {aw_word_reg, 2'b00} == `LOAS_REG_CTRL;
    wire is_irq_enable = {aw_word_reg, 2'b00} == `LOAS_REG_IRQ_ENABLE;
    wire is_irq_status = {aw_word_reg, 2'b00} == `LOAS_REG_IRQ_STATUS;
    wire is_base       = {aw_word_reg, 2'b00} == `LOAS_REG_IMAGE_BASE;
    wire is_size       = {aw_word_reg, 2'b00} == `LOAS_REG_IMAGE_SIZE;
    wire is_watchdog   = {aw_word_reg, 2'b00} == `LOAS_REG_WATCHDOG;
    wire writable      = is_ctrl | is_irq_enable | is_irq_status | is_base | is_size | is_watchdog;

    reg [1:0]  irq_enable_reg;
    reg [1:0]  irq_status_reg;
    reg [19:0] base_reg;
    reg [31:0] size_reg;
    reg [31:0] watchdog_reg;

    always @(posedge clk) begin
        if (s_axil_awvalid & s_axil_awready) begin
            aw_held_reg <= 1'b1;
            aw_word_reg <= s_axil_awaddr[11:2];
        end else if (write) begin
            aw_held_reg <= 1'b0;
        end
        if (s_axil_wvalid & s_axil_wready) begin
            w_held_reg <= 1'b1;
            w_data_reg <= s_axil_wdata;
            w_strb_reg <= s_axil_wstrb;
        end else if (write) begin
            w_held_reg <= 1'b0;
        end
        if (write) begin
            b_valid_reg <= 1'b1;
            b_bad_reg   <= ~writable;
        end else if (s_axil_bready) begin
            b_valid_reg <= 1'b0;
        end

        if (write & is_irq_enable) irq_enable_reg <= (irq_enable_reg & ~bit_strb[1:0]) | ones[1:0];
        if (write & is_base)       base_reg       <= (base_reg & ~bit_strb[31:12]) | ones[31:12];
        if (write & is_size)       size_reg       <= (size_reg & ~bit_strb) | ones;
        if (write & is_watchdog)   watchdog_reg   <= (watchdog_reg & ~bit_strb) | ones;
        irq_status_reg <= (irq_status_reg & ~(ones[1:0] & {2{write & is_irq_status}})) | {set_error, set_done};

        if (rst) begin
            aw_held_reg    <= 1'b0;
            w_held_reg     <= 1'b0;
            b_valid_reg    <= 1'b0;
            irq_enable_reg <= 2'b00;
            irq_status_reg <= 2'b00;
            base_reg       <= 20'd0;
            size_reg       <= `LOAS_RESET_IMAGE_SIZE;
            watchdog_reg   <= `LOAS_RESET_WATCHDOG;
        end
    end

    assign s_axil_awready = ~aw_held_reg;
    assign s_axil_wready  = ~w_held_reg;
    assign s_axil_bvalid  = b_valid_reg;
    assign s_axil_bresp   = b_bad_reg ? RESP_SLVERR : RESP_OKAY;

    assign start      = write & is_ctrl & ones[0];
    assign soft_reset = write & is_ctrl & ones[1];
    assign image_base = {base_reg, 12'd0};
    assign image_size = size_reg;
    assign watchdog   = watchdog_reg;
    assign irq        = |(irq_enable_reg & irq_status_reg);

    // -------------------------------------------------------------------------------------------------- read channel
    reg        r_valid_reg;
    reg        r_bad_reg;
    reg [31:0] r_data_reg;
    reg [31:0] r_data_next;
    reg        r_bad_next;

    always @* begin
        r_data_next = 32'd0;
        r_bad_next  = 1'b0;
        if (s_axil_araddr[11:7] == 5'd1) begin  // PERF: 0x080 to 0x0FC
            r_data_next = perf[{s_axil_araddr[6:2], 5'd0} +: 32];
        end else begin
            case ({s_axil_araddr[11:2], 2'b00})
                `LOAS_REG_ID:         r_data_next = `LOAS_RESET_ID;
                `LOAS_REG_VERSION:    r_data_next = `LOAS_RESET_VERSION;
                `LOAS_REG_CONFIG0:    r_data_next = CONFIG0;
                `LOAS_REG_CONFIG1:    r_data_next = CONFIG1;
                `LOAS_REG_CONFIG2:    r_data_next = CONFIG2;
                `LOAS_REG_CONFIG3:    r_data_next = CONFIG3;
                `LOAS_REG_CONFIG4:    r_data_next = CONFIG4;
                `LOAS_REG_CONFIG5:    r_data_next = CONFIG5;
                `LOAS_REG_CTRL:       r_data_next = 32'd0;
                `LOAS_REG_STATUS:     r_data_next = {28'd0, draining, error, done, busy};
                `LOAS_REG_IRQ_ENABLE: r_data_next = {30'd0, irq_enable_reg};
                `LOAS_REG_IRQ_STATUS: r_data_next = {30'd0, irq_status_reg};
                `LOAS_REG_ERR_CODE:   r_data_next = {28'd0, err_code};
                `LOAS_REG_ERR_ADDR:   r_data_next = err_addr;
                `LOAS_REG_ERR_LAYER:  r_data_next = {16'd0, err_layer};
                `LOAS_REG_LAYER:      r_data_next = {16'd0, layer};
                `LOAS_REG_IMAGE_BASE: r_data_next = image_base;
                `LOAS_REG_IMAGE_SIZE: r_data_next = size_reg;
                `LOAS_REG_WATCHDOG:   r_data_next = watchdog_reg;
                default:              r_bad_next  = 1'b1;
            endcase
        end
    end

    always @(posedge clk) begin
        if (s_axil_arvalid & s_axil_arready) begin
            r_valid_reg <= 1'b1;
            r_data_reg  <= r_data_next;
            r_bad_reg   <= r_bad_next;
        end else if (s_axil_rready) begin
            r_valid_reg <= 1'b0;
        end
        if (rst) r_valid_reg <= 1'b0;
    end

    assign s_axil_arready = ~r_valid_reg;
    assign s_axil_rvalid  = r_valid_reg;
    assign s_axil_rdata   = r_data_reg;
    assign s_axil_rresp   = r_bad_reg ? RESP_SLVERR : RESP_OKAY;

    wire unused_ok = &{1'b0, s_axil_awaddr[1:0], s_axil_araddr[1:0]};

endmodule

`resetall
