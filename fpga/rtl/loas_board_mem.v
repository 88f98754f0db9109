// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Image memory of a board: block RAM, and SDRAM where there is one, behind the machine's AXI4 port and the host's
// AXI4-Lite port.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: one range of addresses, in bytes. The first RAM_BYTES are block RAM, a word a cycle; with SDRAM_EN the
// SDRAM goes on behind them to 2^SDRAM_B (what it has under the block RAM is not used). Beyond is DECERR. A small image
// is wholly in the fast part, of a large one the part in front: the descriptors and, as the packer orders them, the
// first layers. The two ports share the memory as said in loas_mem_front; the order of requests is kept from one memory
// to the other. The SDRAM's pins are those of loas_sdram, which also says what clock it needs; without SDRAM_EN they
// are constants.
module loas_board_mem #(
    parameter integer AXI_W     = 64,
    parameter integer RAM_BYTES = 262144,       // a multiple of AXI_W / 8
    parameter         RAM_FILE  = "",           // contents after configuration, see loas_board_ram
    parameter integer SDRAM_EN  = 0,
    parameter integer SDRAM_B   = 25,           // 32 MB
    parameter integer CLK_HZ    = 50_000_000,
    parameter integer INIT_US   = 200,          // see loas_sdram
    parameter integer PIN_STAGES = 1
) (
    input  wire                clk,
    input  wire                rst,

    input  wire                s_axi_arid,
    input  wire [31:0]         s_axi_araddr,
    input  wire [7:0]          s_axi_arlen,
    input  wire                s_axi_arvalid,
    output wire                s_axi_arready,
    output wire                s_axi_rid,
    output wire [AXI_W-1:0]    s_axi_rdata,
    output wire [1:0]          s_axi_rresp,
    output wire                s_axi_rlast,
    output wire                s_axi_rvalid,
    input  wire                s_axi_rready,
    input  wire                s_axi_awid,
    input  wire [31:0]         s_axi_awaddr,
    input  wire                s_axi_awvalid,
    output wire                s_axi_awready,
    input  wire [AXI_W-1:0]    s_axi_wdata,
    input  wire [AXI_W/8-1:0]  s_axi_wstrb,
    input  wire                s_axi_wlast,
    input  wire                s_axi_wvalid,
    output wire                s_axi_wready,
    output wire                s_axi_bid,
    output wire [1:0]          s_axi_bresp,
    output wire                s_axi_bvalid,
    input  wire                s_axi_bready,

    input  wire [31:0]         s_axil_awaddr,
    input  wire                s_axil_awvalid,
    output wire                s_axil_awready,
    input  wire [31:0]         s_axil_wdata,
    input  wire [3:0]          s_axil_wstrb,
    input  wire                s_axil_wvalid,
    output wire                s_axil_wready,
    output wire [1:0]          s_axil_bresp,
    output wire                s_axil_bvalid,
    input  wire                s_axil_bready,
    input  wire [31:0]         s_axil_araddr,
    input  wire                s_axil_arvalid,
    output wire                s_axil_arready,
    output wire [31:0]         s_axil_rdata,
    output wire [1:0]          s_axil_rresp,
    output wire                s_axil_rvalid,
    input  wire                s_axil_rready,

    output wire                sdram_cke,
    output wire                sdram_cs_n,
    output wire                sdram_ras_n,
    output wire                sdram_cas_n,
    output wire                sdram_we_n,
    output wire [1:0]          sdram_ba,
    output wire [12:0]         sdram_a,
    output wire [1:0]          sdram_dqm,
    output wire [15:0]         sdram_dq_out,
    output wire                sdram_dq_oe,
    input  wire [15:0]         sdram_dq_in
);

    localparam integer WORD_B = $clog2(AXI_W / 8);
    localparam integer WORDS  = RAM_BYTES / (AXI_W / 8);
    localparam integer ADDR_W = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam integer READS  = 8;
    localparam integer COUNT_W = $clog2(READS + 2);

    generate
        if (RAM_BYTES % (AXI_W / 8) != 0 || WORDS < 2
            || (SDRAM_EN != 0 && RAM_BYTES >= 1 << SDRAM_B)) begin : gen_illegal
            loas_board_mem_RAM_BYTES_must_be_at_least_2_words_and_below_the_SDRAM rule_inst ();
        end
    endgenerate

    wire               req_valid, req_ready, req_write, rsp_valid, rsp_bad;
    wire [31:0]        req_addr;
    wire [AXI_W-1:0]   req_data, rsp_data;
    wire [AXI_W/8-1:0] req_strb;

    wire in_ram   = req_addr < RAM_BYTES;
    wire in_sdram = SDRAM_EN != 0 && !in_ram && ~|req_addr[31:SDRAM_B];
    wire bad      = !in_ram && !in_sdram;

    loas_mem_front #(.AXI_W(AXI_W), .READS(READS)) front_inst (
        .clk            (clk),
        .rst            (rst),
        .s_axi_arid     (s_axi_arid),
        .s_axi_araddr   (s_axi_araddr),
        .s_axi_arlen    (s_axi_arlen),
        .s_axi_arvalid  (s_axi_arvalid),
        .s_axi_arready  (s_axi_arready),
        .s_axi_rid      (s_axi_rid),
        .s_axi_rdata    (s_axi_rdata),
        .s_axi_rresp    (s_axi_rresp),
        .s_axi_rlast    (s_axi_rlast),
        .s_axi_rvalid   (s_axi_rvalid),
        .s_axi_rready   (s_axi_rready),
        .s_axi_awid     (s_axi_awid),
        .s_axi_awaddr   (s_axi_awaddr),
        .s_axi_awvalid  (s_axi_awvalid),
        .s_axi_awready  (s_axi_awready),
        .s_axi_wdata    (s_axi_wdata),
        .s_axi_wstrb    (s_axi_wstrb),
        .s_axi_wlast    (s_axi_wlast),
        .s_axi_wvalid   (s_axi_wvalid),
        .s_axi_wready   (s_axi_wready),
        .s_axi_bid      (s_axi_bid),
        .s_axi_bresp    (s_axi_bresp),
        .s_axi_bvalid   (s_axi_bvalid),
        .s_axi_bready   (s_axi_bready),
        .s_axil_awaddr  (s_axil_awaddr),
        .s_axil_awvalid (s_axil_awvalid),
        .s_axil_awready (s_axil_awready),
        .s_axil_wdata   (s_axil_wdata),
        .s_axil_wstrb   (s_axil_wstrb),
        .s_axil_wvalid  (s_axil_wvalid),
        .s_axil_wready  (s_axil_wready),
        .s_axil_bresp   (s_axil_bresp),
        .s_axil_bvalid  (s_axil_bvalid),
        .s_axil_bready  (s_axil_bready),
        .s_axil_araddr  (s_axil_araddr),
        .s_axil_arvalid (s_axil_arvalid),
        .s_axil_arready (s_axil_arready),
        .s_axil_rdata   (s_axil_rdata),
        .s_axil_rresp   (s_axil_rresp),
        .s_axil_rvalid  (s_axil_rvalid),
        .s_axil_rready  (s_axil_rready),
        .req_valid      (req_valid),
        .req_ready      (req_ready),
        .req_write      (req_write),
        .req_addr       (req_addr),
        .req_data       (req_data),
        .req_strb       (req_strb),
        .bad            (bad),
        .rsp_valid      (rsp_valid),
        .rsp_bad        (rsp_bad),
        .rsp_data       (rsp_data)
    );

    // Block RAM, or nothing: a word three cycles later, because the request goes to block RAMs all over the chip, and
    // the word comes from there. They wait for the words that the SDRAM owes, and it needs not wait for them, because
    // it is slower than they are.
    reg [2:0]           near_reg;       // a word comes from here: asked for, read, here
    reg [2:0]           near_bad_reg;
    reg                 ram_en_reg, ram_write_reg;
    reg [AXI_W/8-1:0]   ram_strb_reg;
    reg [ADDR_W-1:0]    ram_addr_reg;
    reg [AXI_W-1:0]     ram_wr_data_reg;
    reg [AXI_W-1:0]     ram_data_reg;
    wire [AXI_W-1:0] ram_data;
    wire             sdram_owes, sdram_ready, sdram_rsp;
    wire [AXI_W-1:0] sdram_data;

    wire near = req_valid && !in_sdram && !sdram_owes;

    assign req_ready = in_sdram ? sdram_ready : !sdram_owes;
    assign rsp_valid = near_reg[2] || sdram_rsp;
    assign rsp_bad   = near_reg[2] && near_bad_reg[2];
    assign rsp_data  = near_reg[2] ? ram_data_reg : sdram_data;

    always @(posedge clk) begin
        near_reg        <= {near_reg[1:0], near && !req_write};
        near_bad_reg    <= {near_bad_reg[1:0], bad};
        ram_en_reg      <= near && in_ram;
        ram_write_reg   <= req_write;
        ram_strb_reg    <= req_strb;
        ram_addr_reg    <= req_addr[WORD_B +: ADDR_W];
        ram_wr_data_reg <= req_data;
        ram_data_reg    <= ram_data;
        if (rst) begin
            near_reg   <= 3'b000;
            ram_en_reg <= 1'b0;
        end
    end

    loas_board_ram #(.W(AXI_W), .DEPTH(WORDS), .FILE(RAM_FILE)) ram_inst (
        .clk(clk), .en(ram_en_reg), .write(ram_write_reg), .strb(ram_strb_reg), .addr(ram_addr_reg),
        .wr_data(ram_wr_data_reg),
        .rd_data(ram_data)
    );

    generate
        if (SDRAM_EN != 0) begin : gen_sdram
            reg [COUNT_W-1:0] owed_reg;      // words
            wire              ask = req_valid && in_sdram && !req_write && sdram_ready;
            assign sdram_owes = owed_reg != {COUNT_W{1'b0}};
            always @(posedge clk) begin
                if (ask && !sdram_rsp) owed_reg <= owed_reg + 1'b1;
                if (sdram_rsp && !ask) owed_reg <= owed_reg - 1'b1;
                if (rst) owed_reg <= {COUNT_W{1'b0}};
            end
            loas_sdram #(.W(AXI_W), .CLK_HZ(CLK_HZ), .INIT_US(INIT_US), .PIN_STAGES(PIN_STAGES), .ROW_W(13),
                .COL_W(SDRAM_B - 16)) sdram_inst (
                .clk          (clk),
                .rst          (rst),
                .req_valid    (req_valid && in_sdram),
                .req_ready    (sdram_ready),
                .req_write    (req_write),
                .req_addr     (req_addr[SDRAM_B-1:0]),
                .req_data     (req_data),
                .req_strb     (req_strb),
                .rsp_valid    (sdram_rsp),
                .rsp_data     (sdram_data),
                .sdram_cke    (sdram_cke),
                .sdram_cs_n   (sdram_cs_n),
                .sdram_ras_n  (sdram_ras_n),
                .sdram_cas_n  (sdram_cas_n),
                .sdram_we_n   (sdram_we_n),
                .sdram_ba     (sdram_ba),
                .sdram_a      (sdram_a),
                .sdram_dqm    (sdram_dqm),
                .sdram_dq_out (sdram_dq_out),
                .sdram_dq_oe  (sdram_dq_oe),
                .sdram_dq_in  (sdram_dq_in)
            );
        end else begin : gen_no_sdram
            assign sdram_owes   = 1'b0;
            assign sdram_ready  = 1'b1;
            assign sdram_rsp    = 1'b0;
            assign sdram_data   = {AXI_W{1'b0}};
            assign sdram_cke    = 1'b0;
            assign sdram_cs_n   = 1'b1;
            assign sdram_ras_n  = 1'b1;
            assign sdram_cas_n  = 1'b1;
            assign sdram_we_n   = 1'b1;
            assign sdram_ba     = 2'd0;
            assign sdram_a      = 13'd0;
            assign sdram_dqm    = 2'b11;
            assign sdram_dq_out = 16'd0;
            assign sdram_dq_oe  = 1'b0;
            wire unused_sdram = &{1'b0, sdram_dq_in};
        end
    endgenerate

    wire unused_ok = &{1'b0, req_addr};

endmodule

`resetall
