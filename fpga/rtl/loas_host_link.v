// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Serial line to AXI4-Lite: frames with length, sequence number and CRC, one request and one answer at a time.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_host_defs.vh"

// Problem: a host has to load images, start the machine and read results over a line that loses and corrupts bytes.
//
// Contract: docs/host-link.md says what the frames are. A request is taken into a buffer as a whole before anything of
// it is done: one that is cut off, too long, or whose CRC is wrong has no effect, gets no answer and counts as dropped.
// A request that came whole gets exactly one answer. WRITE, FILL and RESET with the command and sequence number of the
// request before are repetitions: answered as before, not done again. Bytes that come before the answer has left are
// lost.
//
// Edges: a byte that does not begin a request is skipped; GAP_CYCLES without a byte end a frame; an access of the bus
// that is not answered in BUS_CYCLES is answered BUS_TIMEOUT, and nothing but RESET helps if it never is. `board_rst`
// is high for 16 cycles at RESET and follows `rst`; the slaves of m_axil have to be reset by it, the link itself is
// not.
module loas_host_link #(
    parameter integer CLK_HZ       = 50000000,      // clock
    parameter integer BAUD         = 3000000,       // bits a second, at most CLK_HZ / 4
    // words of a READ or WRITE: a RAM of as many; power of two, 8 to 512
    parameter integer BUFFER_WORDS = 256,
    parameter integer GAP_CYCLES   = CLK_HZ / 40,   // 25 ms of silence end a frame: a USB adapter pauses for less
    parameter integer BUS_CYCLES   = 65535,         // an access of the bus takes less
    parameter [31:0]  BOARD_ID     = 32'h3F3F3F3F,  // what IDENTIFY says: four characters,
    parameter [31:0]  BITSTREAM_ID = 32'd0,         // number of the bitstream,
    parameter [31:0]  MEM_BASE     = 32'h40000000,  // where image memory begins,
    parameter [31:0]  MEM_BYTES    = 32'd0          // and its size
) (
    input  wire        clk,
    input  wire        rst,

    // serial line
    input  wire        uart_rxd,
    output wire        uart_txd,

    // AXI4-Lite
    output wire [31:0] m_axil_awaddr,
    output wire        m_axil_awvalid,
    input  wire        m_axil_awready,
    output wire [31:0] m_axil_wdata,
    output wire [3:0]  m_axil_wstrb,
    output wire        m_axil_wvalid,
    input  wire        m_axil_wready,
    input  wire [1:0]  m_axil_bresp,
    input  wire        m_axil_bvalid,
    output wire        m_axil_bready,
    output wire [31:0] m_axil_araddr,
    output wire        m_axil_arvalid,
    input  wire        m_axil_arready,
    input  wire [31:0] m_axil_rdata,
    input  wire [1:0]  m_axil_rresp,
    input  wire        m_axil_rvalid,
    output wire        m_axil_rready,

    output wire        board_rst
);

    localparam integer INDEX_W = $clog2(BUFFER_WORDS);
    localparam integer GAP_W   = $clog2(GAP_CYCLES + 1);
    localparam integer BUS_W   = $clog2(BUS_CYCLES + 1);
    localparam [31:0]  MOST_BYTES = 4 * BUFFER_WORDS + 4;

    generate
        if (BUFFER_WORDS < 8 || BUFFER_WORDS > `LOAS_LINK_MOST_BUFFER_WORDS
            || 1 << INDEX_W != BUFFER_WORDS) begin : gen_illegal_buffer
            loas_host_link_BUFFER_WORDS_must_be_a_power_of_two_8_to_512 rule_inst ();
        end
        if (GAP_CYCLES < 1 || BUS_CYCLES < 1) begin : gen_illegal_time
            loas_host_link_GAP_CYCLES_and_BUS_CYCLES_must_be_at_least_1 rule_inst ();
        end
    endgenerate

    localparam [3:0] S_SYNC   = 4'd0;
    localparam [3:0] S_HEAD   = 4'd1;
    localparam [3:0] S_BODY   = 4'd2;
    localparam [3:0] S_TAIL   = 4'd3;
    localparam [3:0] S_CHECK  = 4'd4;
    localparam [3:0] S_FETCH  = 4'd5;
    localparam [3:0] S_ACCESS = 4'd6;
    localparam [3:0] S_WAIT   = 4'd7;
    localparam [3:0] S_SUM    = 4'd8;
    localparam [3:0] S_RESET  = 4'd9;
    localparam [3:0] S_DONE   = 4'd10;
    localparam [3:0] S_ANSWER = 4'd11;
    localparam [3:0] S_LOAD   = 4'd12;
    localparam [3:0] S_WORD   = 4'd13;
    localparam [3:0] S_SEAL   = 4'd14;
    localparam [3:0] S_END    = 4'd15;

    // ---------------------------------------------------------------------------------------------------- state
    reg [3:0]       state_reg;
    reg [3:0]       state_next;
    reg [3:0]       byte_reg;      // bytes of this part of the frame so far; in S_RESET cycles
    reg [31:0]      word_reg;      // the last four bytes received, or those still to send
    reg [9:0]       item_reg;      // payload words received or answered, at most BUFFER_WORDS + 1 = 513
    reg [15:0]      length_reg;    // bytes of the payload
    reg [7:0]       seq_reg;
    reg [7:0]       command_reg;
    reg [31:0]      addr_reg;      // of the access
    reg [31:0]      count_reg;     // words the request asks for
    reg [31:0]      value_reg;     // to fill with; later the answer to CRC
    reg [23:0]      done_reg;      // words done, below 2^24 as count is
    reg [31:0]      crc_reg;
    reg [3:0]       status_reg;
    reg [31:0]      fault_reg;     // address of a bus error
    reg             seen_reg;      // there was a request before: its
    reg [7:0]       seen_seq_reg;  // sequence number
    reg [7:0]       seen_command_reg;
    reg [15:0]      dropped_reg;
    reg [GAP_W-1:0] gap_reg;
    reg [BUS_W-1:0] bus_time_reg;
    reg             board_rst_reg;

    // ---------------------------------------------------------------------------------------------------- line
    wire       rx_valid;
    wire       rx_error;
    wire [7:0] rx_data;
    reg        tx_valid;
    wire       tx_ready;
    reg  [7:0] tx_data;
    wire       sent = tx_valid && tx_ready;

    loas_uart_rx #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) rx_inst (
        .clk(clk), .rst(rst), .rxd(uart_rxd), .m_valid(rx_valid), .m_error(rx_error), .m_data(rx_data)
    );

    loas_uart_tx #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) tx_inst (
        .clk(clk), .rst(rst), .s_valid(tx_valid), .s_ready(tx_ready), .s_data(tx_data), .txd(uart_txd)
    );

    wire receiving = state_reg == S_HEAD || state_reg == S_BODY || state_reg == S_TAIL;
    // the frame ends here, before it was whole
    wire broken    = receiving && (rx_error || (gap_reg == GAP_CYCLES[GAP_W-1:0] && !rx_valid));
    wire [15:0] length_in = {rx_data, length_reg[7:0]};
    wire too_long  = state_reg == S_HEAD && rx_valid && byte_reg == 4'd1
        && ({16'd0, length_in} > MOST_BYTES || length_in[1:0] != 2'd0);

    // ---------------------------------------------------------------------------------------------------- buffer
    wire        word_end   = state_reg == S_BODY && rx_valid && byte_reg[1:0] == 2'd3;
    wire [31:0] word_in    = {rx_data, word_reg[31:8]};
    wire        rsp_valid;
    wire [1:0]  rsp_resp;
    wire [31:0] rsp_data;
    wire        taken      = state_reg == S_WAIT && rsp_valid;
    wire        is_read    = command_reg == `LOAS_LINK_CMD_READ;
    wire        is_write   = command_reg == `LOAS_LINK_CMD_WRITE;
    wire        is_fill    = command_reg == `LOAS_LINK_CMD_FILL;
    wire        is_crc     = command_reg == `LOAS_LINK_CMD_CRC;
    wire        is_reset   = command_reg == `LOAS_LINK_CMD_RESET;
    wire        is_ping    = command_reg == `LOAS_LINK_CMD_PING;
    wire        is_who     = command_reg == `LOAS_LINK_CMD_IDENTIFY;
    wire [9:0]  item_m1    = item_reg - 10'd1;  // the first word is the address and not kept
    wire [9:0]  items_now  = item_reg + 10'd1;
    wire [31:0] buffer_data;

    loas_ram #(.W(32), .DEPTH(BUFFER_WORDS)) buffer_inst (
        .clk(clk),
        .wr_en((word_end && item_reg != 10'd0) || (taken && is_read)),
        .wr_addr(state_reg == S_WAIT ? done_reg[INDEX_W-1:0] : item_m1[INDEX_W-1:0]),
        .wr_data(state_reg == S_WAIT ? rsp_data : word_in),
        .rd_en(1'b1),
        .rd_addr(state_reg == S_LOAD ? item_reg[INDEX_W-1:0] : done_reg[INDEX_W-1:0]),
        .rd_data(buffer_data)
    );

    wire unused_bits = &{1'b0, rsp_resp[0], item_m1};

    // ---------------------------------------------------------------------------------------------------- bus
    wire cmd_ready;

    loas_host_bus bus_inst (
        .clk(clk),
        .rst(board_rst_reg),
        .cmd_valid(state_reg == S_ACCESS),
        .cmd_ready(cmd_ready),
        .cmd_write(is_write || is_fill),
        .cmd_addr(addr_reg),
        .cmd_data(is_fill ? value_reg : buffer_data),
        .rsp_valid(rsp_valid),
        .rsp_resp(rsp_resp),
        .rsp_data(rsp_data),
        .m_axil_awaddr(m_axil_awaddr),
        .m_axil_awvalid(m_axil_awvalid),
        .m_axil_awready(m_axil_awready),
        .m_axil_wdata(m_axil_wdata),
        .m_axil_wstrb(m_axil_wstrb),
        .m_axil_wvalid(m_axil_wvalid),
        .m_axil_wready(m_axil_wready),
        .m_axil_bresp(m_axil_bresp),
        .m_axil_bvalid(m_axil_bvalid),
        .m_axil_bready(m_axil_bready),
        .m_axil_araddr(m_axil_araddr),
        .m_axil_arvalid(m_axil_arvalid),
        .m_axil_arready(m_axil_arready),
        .m_axil_rdata(m_axil_rdata),
        .m_axil_rresp(m_axil_rresp),
        .m_axil_rvalid(m_axil_rvalid),
        .m_axil_rready(m_axil_rready)
    );

    wire bus_time_out = bus_time_reg == BUS_CYCLES[BUS_W-1:0];

    // ---------------------------------------------------------------------------------------------------- checks
    wire whole   = crc_reg == `LOAS_LINK_RESIDUE;
    wire repeated = seen_reg && seq_reg == seen_seq_reg && command_reg == seen_command_reg
        && (is_write || is_fill || is_reset);
    wire uses_bus = is_read || is_write || is_fill || is_crc;
    wire known    = uses_bus || is_ping || is_who || is_reset;
    wire length_ok = is_write ? length_reg >= 16'd8 : is_fill ? length_reg == 16'd12 : uses_bus
        ? length_reg == 16'd8 : length_reg == 16'd0;
    wire [31:0] count_now = is_write ? {18'd0, length_reg[15:2]} - 32'd1 : count_reg;
    wire count_ok  = count_now != 32'd0 && (is_read ? count_now <= BUFFER_WORDS : count_now[31:24] == 8'd0);
    reg  [3:0] verdict;

    always @* begin
        verdict = `LOAS_LINK_OK;
        if (!known) verdict = `LOAS_LINK_BAD_COMMAND;
        else if (!length_ok) verdict = `LOAS_LINK_BAD_LENGTH;
        else if (uses_bus && addr_reg[1:0] != 2'd0) verdict = `LOAS_LINK_BAD_ADDRESS;
        else if (uses_bus && !count_ok) verdict = `LOAS_LINK_BAD_COUNT;
    end

    // ---------------------------------------------------------------------------------------------------- answer
    wire       good        = status_reg == `LOAS_LINK_OK;
    wire       bus_fault   = status_reg >= `LOAS_LINK_SLVERR;
    wire [9:0] answer_words = bus_fault ? 10'd1 : !good ? 10'd0 : is_read ? count_reg[9:0] : is_crc ? 10'd1 :
                              is_who ? `LOAS_LINK_ID_WORDS : 10'd0;
    wire [15:0] answer_bytes = {4'd0, answer_words, 2'd0};
    reg  [31:0] who;
    wire [31:0] answer_word = bus_fault ? fault_reg : is_read ? buffer_data : is_crc ? value_reg : who;

    always @* begin
        case (item_reg)
            `LOAS_LINK_ID_MAGIC:        who = `LOAS_LINK_MAGIC;
            `LOAS_LINK_ID_VERSION:      who = `LOAS_LINK_VERSION;
            `LOAS_LINK_ID_BOARD:        who = BOARD_ID;
            `LOAS_LINK_ID_BITSTREAM:    who = BITSTREAM_ID;
            `LOAS_LINK_ID_CLOCK_HZ:     who = CLK_HZ;
            `LOAS_LINK_ID_BAUD:         who = BAUD;
            `LOAS_LINK_ID_MEM_BASE:     who = MEM_BASE;
            `LOAS_LINK_ID_MEM_BYTES:    who = MEM_BYTES;
            `LOAS_LINK_ID_BUFFER_WORDS: who = BUFFER_WORDS;
            default:                    who = {16'd0, dropped_reg};
        endcase
    end

    always @* begin
        tx_valid = 1'b0;
        tx_data  = word_reg[7:0];
        case (state_reg)
            S_ANSWER: begin
                tx_valid = 1'b1;
                case (byte_reg[2:0])
                    3'd0:    tx_data = `LOAS_LINK_SYNC_ANSWER;
                    3'd1:    tx_data = answer_bytes[7:0];
                    3'd2:    tx_data = answer_bytes[15:8];
                    3'd3:    tx_data = seq_reg;
                    default: tx_data = {4'd0, status_reg};
                endcase
            end
            S_WORD, S_END: tx_valid = 1'b1;
            default:       tx_valid = 1'b0;
        endcase
    end

    wire [7:0]  crc_byte = receiving ? rx_data : state_reg == S_SUM ? word_reg[7:0] : tx_data;
    wire [31:0] crc_next;

    loas_crc32 crc_inst (.state(crc_reg), .data(crc_byte), .next(crc_next));

    assign board_rst = board_rst_reg;

    // ---------------------------------------------------------------------------------------------------- next state
    wire [23:0] done_now  = done_reg + 24'd1;
    wire        last_item = done_now == count_reg[23:0];

    always @* begin
        state_next = state_reg;
        case (state_reg)
            // waits for the first byte of a request
            S_SYNC: if (rx_valid && rx_data == `LOAS_LINK_SYNC_REQUEST) state_next = S_HEAD;
            // waits for length, sequence number and command
            S_HEAD: if (rx_valid) begin
                if (too_long) state_next = S_SYNC;
                else if (byte_reg == 4'd3) state_next = length_reg == 16'd0 ? S_TAIL : S_BODY;
            end
            // waits for the payload
            S_BODY: if (word_end && {items_now, 2'd0} == length_reg[11:0]) state_next = S_TAIL;
            // waits for the CRC
            S_TAIL: if (rx_valid && byte_reg == 4'd3) state_next = S_CHECK;
            // one cycle: is it whole, and may it be done
            S_CHECK:
                if (!whole) state_next = S_SYNC;
                else if (repeated || verdict != `LOAS_LINK_OK) state_next = S_DONE;
                else if (uses_bus) state_next = S_FETCH;
                else if (is_reset) state_next = S_RESET;
                else state_next = S_DONE;
            // one cycle: the buffer reads the word to write
            S_FETCH: state_next = S_ACCESS;
            // waits for the bus master
            S_ACCESS:
                if (cmd_ready) state_next = S_WAIT;
                else if (bus_time_out) state_next = S_DONE;
            // waits for the slave
            S_WAIT:
                if (rsp_valid) begin
                    if (rsp_resp[1]) state_next = S_DONE;
                    else if (is_crc) state_next = S_SUM;
                    else state_next = last_item ? S_DONE : S_FETCH;
                end else if (bus_time_out) begin
                    state_next = S_DONE;
                end
            // four cycles: a byte of the word into the CRC
            S_SUM: if (byte_reg == 4'd3) state_next = done_reg == count_reg[23:0] ? S_DONE : S_ACCESS;
            // 16 cycles of reset
            S_RESET: if (byte_reg == 4'd15) state_next = S_DONE;
            // one cycle: the answer is known
            S_DONE: state_next = S_ANSWER;
            // waits until the head of the answer has left
            S_ANSWER: if (sent && byte_reg == 4'd4) state_next = answer_words == 10'd0 ? S_SEAL : S_LOAD;
            // two cycles: the buffer reads the word to answer
            S_LOAD: if (byte_reg == 4'd1) state_next = S_WORD;
            // waits until the word has left
            S_WORD: if (sent && byte_reg == 4'd3) state_next = items_now == answer_words ? S_SEAL : S_LOAD;
            // one cycle: the CRC is known
            S_SEAL: state_next = S_END;
            // waits until the CRC has left
            S_END: if (sent && byte_reg == 4'd3) state_next = S_SYNC;
            default: state_next = S_SYNC;
        endcase
        if (broken) state_next = S_SYNC;
    end

    // ---------------------------------------------------------------------------------------------------- registers
    wire step = (receiving && rx_valid) || state_reg == S_SUM || state_reg == S_RESET || state_reg == S_LOAD || sent;

    always @(posedge clk) begin
        state_reg     <= state_next;
        board_rst_reg <= state_reg == S_RESET;

        // in the payload bytes are counted modulo 4
        if (state_next != state_reg || word_end) byte_reg <= 4'd0;
        else if (step) byte_reg <= byte_reg + 4'd1;

        if ((receiving && rx_valid) || (sent && state_reg != S_ANSWER)) word_reg <= word_in;
        else if (taken) word_reg <= rsp_data;
        else if (state_reg == S_SUM) word_reg <= {8'd0, word_reg[31:8]};
        else if (state_reg == S_LOAD) word_reg <= answer_word;
        else if (state_reg == S_SEAL) word_reg <= ~crc_reg;

        if (state_reg == S_SYNC || state_reg == S_DONE) item_reg <= 10'd0;
        else if (word_end || (state_reg == S_WORD && state_next != S_WORD)) item_reg <= items_now;

        if (state_reg == S_HEAD && rx_valid) begin
            case (byte_reg[1:0])
                2'd0:    length_reg[7:0]  <= rx_data;
                2'd1:    length_reg[15:8] <= rx_data;
                2'd2:    seq_reg          <= rx_data;
                default: command_reg      <= rx_data;
            endcase
        end

        if (word_end && item_reg == 10'd0) addr_reg <= word_in;
        else if (taken && !rsp_resp[1]) addr_reg <= addr_reg + 32'd4;
        if (word_end && item_reg == 10'd1) count_reg <= word_in;
        else if (state_reg == S_CHECK && is_write) count_reg <= count_now;
        if (word_end && item_reg == 10'd2) value_reg <= word_in;
        else if (state_reg == S_DONE && is_crc) value_reg <= ~crc_reg;

        if (state_reg == S_SYNC) done_reg <= 24'd0;
        else if (taken) done_reg <= done_now;

        if (state_reg == S_SYNC || state_reg == S_CHECK || state_reg == S_DONE) crc_reg <= 32'hFFFFFFFF;
        else if ((receiving && rx_valid) || state_reg == S_SUM
            || (sent && (state_reg == S_WORD || (state_reg == S_ANSWER && byte_reg != 4'd0))))
            crc_reg <= crc_next;

        if (state_reg == S_CHECK && whole && !repeated) begin
            status_reg       <= verdict;
            seen_reg         <= 1'b1;
            seen_seq_reg     <= seq_reg;
            seen_command_reg <= command_reg;
        end else if (taken && rsp_resp[1]) begin
            status_reg <= rsp_resp[0] ? `LOAS_LINK_DECERR : `LOAS_LINK_SLVERR;
            fault_reg  <= addr_reg;
        end else if ((state_reg == S_ACCESS && !cmd_ready && bus_time_out)
            || (state_reg == S_WAIT && !rsp_valid && bus_time_out)) begin
            status_reg <= `LOAS_LINK_BUS_TIMEOUT;
            fault_reg  <= addr_reg;
        end

        if ((broken || too_long || (state_reg == S_CHECK && !whole)) && dropped_reg != 16'hFFFF) dropped_reg <=
            dropped_reg + 16'd1;
        if (!receiving || rx_valid) gap_reg <= {GAP_W{1'b0}};
        else gap_reg <= gap_reg + 1'b1;
        if (state_reg == S_ACCESS || state_reg == S_WAIT) bus_time_reg <= bus_time_reg + 1'b1;
        else bus_time_reg <= {BUS_W{1'b0}};

        if (rst) begin
            state_reg     <= S_SYNC;
            seen_reg      <= 1'b0;
            dropped_reg   <= 16'd0;
            board_rst_reg <= 1'b1;
        end
    end

endmodule

`resetall
