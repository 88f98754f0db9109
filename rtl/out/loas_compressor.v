// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Output compressor: writes complete output rows as fibers of the next layer, or as integers.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: the output buffer holds rows of uncompressed words, the next layer reads fibers: a header with the number of
// words that are not zero, a bitmask, the words themselves without gaps. Masks must be sent before words, yet one pass
// over the row is enough: mask chunks and word chunks are made side by side, and wait in a FIFO each for their turn.
//
//   reader    one row after the other: write command, row record, then an entry a cycle from the buffer
//   stage 1   rd_data: which words are kept, kept words moved together (an inverted prefix sum, see loas_compact_slice)
//   stage 2   mask bits (or, in readout, the integer) are gathered into a chunk -> head FIFO;
//             words are appended to packer_reg, whole chunks leave at its low end -> word FIFO
//   sender    header, all head chunks, all word chunks of a row. Readout: head chunks only.
//
// Contract: layer_start (while done) begins cfg_m rows in slots 0, 1, .. cfg_slots - 1, 0, ..; slot s begins at entry s
// * cfg_entries. cfg_* must be stable from layer_start to done. A row is read when row_valid says that the slot
// row_slot is complete; slot_free_valid pulses for slot_free (= row_slot) in the cycle in which its last entry is read.
// For every row one command (address, chunks) and then exactly that many chunks; the command is offered before the
// row's first chunk. done falls in the cycle after layer_start, and is up again when the last row's command and chunks
// have been taken; ev_row pulses when a row's last chunk is taken.
// Rate: a row takes about max(entries + 1, chunks) cycles: the rows before it are still being sent while it is read.
// Both FIFOs hold the longest row, so a row can always be read to its end when the rows before it are gone: no
// deadlock, for words of the row being sent are all in the FIFO or packer before any of the next row. Entries beyond a
// row's N neurons must be zero (loas_out_slice sees to it).
module loas_compressor #(
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 128,
    parameter integer SLICE_W     = 16,    // neurons taken in a cycle; SLICE_W * WORD_W bits are moved together
    parameter integer K_MAX       = 8192,  // longest row: K_MAX * (1 + WORD_W) bits of FIFO
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer DEEP        = 0      // 1: what is read passes a register before it is looked at
) (
    input  wire                           clk,
    input  wire                           rst,

    // layer
    input  wire                           layer_start,
    input  wire [23:0]                    cfg_m,            // rows, at least 1
    input  wire [$clog2(OUT_ENTRIES)-1:0] cfg_entries,      // entries of a row, at least 1
    input  wire [$clog2(NUM_SLOTS+1)-1:0] cfg_slots,        // slots in use, at least 1
    input  wire                           cfg_readout,
    input  wire [31:0]                    cfg_out_base,
    input  wire [31:0]                    cfg_out_stride,
    output wire                           done,
    output wire                           ev_row,

    // output buffer
    output wire [$clog2(NUM_SLOTS)-1:0]   row_slot,
    input  wire                           row_valid,
    input  wire [$clog2(K_MAX+1)-1:0]     row_count,
    output wire                           rd_en,
    output wire [$clog2(OUT_ENTRIES)-1:0] rd_addr,
    input  wire [(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] rd_data,

    // to the scheduler and to the output buffer (row_free)
    output wire                           slot_free_valid,
    output wire [$clog2(NUM_SLOTS)-1:0]   slot_free,

    // to the AXI write master
    output wire                           cmd_valid,
    input  wire                           cmd_ready,
    output wire [31:0]                    cmd_addr,
    output wire [16:0]                    cmd_chunks,
    output wire                           wr_valid,
    input  wire                           wr_ready,
    output wire [CHUNK_W-1:0]             wr_data
);

    localparam integer WORD_W     = 1 << $clog2(T);
    localparam integer ENTRY_W    = SLICE_W * T > 32 ? SLICE_W * T : 32;
    localparam integer SLOT_W     = $clog2(NUM_SLOTS);
    localparam integer OUT_ADDR_W = $clog2(OUT_ENTRIES);
    localparam integer COUNT_W    = $clog2(SLICE_W + 1);
    localparam integer WORDS_W    = $clog2(K_MAX + 1);
    localparam integer PART_W     = SLICE_W > 32 ? SLICE_W : 32;   // mask bits or integer of an entry
    localparam integer CHUNK_LOG  = $clog2(CHUNK_W);
    localparam integer SLICE_LOG  = $clog2(SLICE_W);
    localparam integer CHUNK_WORDS = CHUNK_W / WORD_W;
    localparam integer WORDS_LOG  = $clog2(CHUNK_WORDS);           // words of a chunk, log2
    localparam integer FILL_W     = $clog2(CHUNK_WORDS + SLICE_W);  // packer: at most CHUNK_WORDS - 1 + SLICE_W words
    localparam [FILL_W-1:0] FULL  = CHUNK_WORDS[FILL_W-1:0];
    localparam integer WORDS_LAST = CHUNK_WORDS - 1;
    localparam integer HEAD_INTS  = CHUNK_W / 32 - 1;
    localparam integer HEAD_SLICES = CHUNK_W / SLICE_W - 1;
    localparam integer PACKER_W   = CHUNK_W + SLICE_W * WORD_W;
    // FIFOs: a power of two chunks, at least 4, that holds the longest row
    localparam integer HEAD_CHUNKS = K_MAX / CHUNK_W;
    localparam integer TAIL_CHUNKS = K_MAX * WORD_W / CHUNK_W;
    localparam integer HEAD_DEPTH  = HEAD_CHUNKS > 4 ? 1 << $clog2(HEAD_CHUNKS) : 4;
    localparam integer TAIL_DEPTH  = TAIL_CHUNKS > 4 ? 1 << $clog2(TAIL_CHUNKS) : 4;

    generate
        if (CHUNK_W < 32 || CHUNK_W != (1 << CHUNK_LOG) || SLICE_W != (1 << SLICE_LOG) || SLICE_W < 2
            || SLICE_W > CHUNK_W || K_MAX % CHUNK_W != 0 || T < 1 || T > 16) begin : gen_illegal
            loas_compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W rule_inst ();
        end
    endgenerate

    // ---------------------------------------------------------------- rows: how many chunks
    // entries of a head chunk - 1, and its log2: slices of mask bits, or integers
    wire [CHUNK_LOG-1:0] head_last = cfg_readout ? HEAD_INTS[CHUNK_LOG-1:0] : HEAD_SLICES[CHUNK_LOG-1:0];
    wire [16:0] entries      = {{(17-OUT_ADDR_W){1'b0}}, cfg_entries};
    wire [16:0] head_rounded = entries + {{(17-CHUNK_LOG){1'b0}}, head_last};
    wire [16:0] head_chunks  = cfg_readout ? head_rounded >> (CHUNK_LOG - 5) : head_rounded >> (CHUNK_LOG - SLICE_LOG);
    wire [17:0] count        = {{(18-WORDS_W){1'b0}}, row_count};
    wire [17:0] word_chunks  = (count + WORDS_LAST[17:0]) >> WORDS_LOG;
    wire        unused_chunks = &{1'b0, word_chunks[17]};

    // ---------------------------------------------------------------- reader
    reg  [23:0]           rows_reg;       // rows still to be begun
    reg                   reading_reg;    // entries of the row in slot_reg are being read
    reg  [SLOT_W-1:0]     slot_reg;
    reg  [OUT_ADDR_W-1:0] addr_reg;       // next entry
    reg  [OUT_ADDR_W-1:0] left_reg;       // entries of the row still to be read
    reg  [31:0]           row_addr_reg;
    reg                   cmd_valid_reg;
    reg  [31:0]           cmd_addr_reg;
    reg  [16:0]           cmd_chunks_reg;   // at most 1 + 65536 / 32 * (1 + 16)

    wire record_ready;
    wire begin_row  = !reading_reg && rows_reg != 24'd0 && row_valid && record_ready && (!cmd_valid_reg || cmd_ready);
    wire last_slot  = {{(32-SLOT_W){1'b0}}, slot_reg} + 32'd1 == {{(32-$clog2(NUM_SLOTS+1)){1'b0}}, cfg_slots};
    wire read_ready;                      // stage 1 can take an entry
    wire read       = reading_reg && read_ready;
    wire read_last  = left_reg == {{(OUT_ADDR_W-1){1'b0}}, 1'b1};

    assign row_slot        = slot_reg;
    assign rd_en           = read;
    assign rd_addr         = addr_reg;
    assign slot_free_valid = read && read_last;
    assign slot_free       = slot_reg;
    assign cmd_valid       = cmd_valid_reg;
    assign cmd_addr        = cmd_addr_reg;
    assign cmd_chunks      = cmd_chunks_reg;

    always @(posedge clk) begin
        if (cmd_ready) cmd_valid_reg <= 1'b0;
        if (begin_row) begin
            reading_reg    <= 1'b1;
            left_reg       <= cfg_entries;
            rows_reg       <= rows_reg - 1'b1;
            cmd_valid_reg  <= 1'b1;
            cmd_addr_reg   <= row_addr_reg;
            cmd_chunks_reg <= cfg_readout ? head_chunks : head_chunks + word_chunks[16:0] + 17'd1;
            row_addr_reg   <= row_addr_reg + cfg_out_stride;
        end
        if (read) begin
            addr_reg <= addr_reg + 1'b1;
            left_reg <= left_reg - 1'b1;
            if (read_last) begin
                reading_reg <= 1'b0;
                slot_reg    <= last_slot ? {SLOT_W{1'b0}} : slot_reg + 1'b1;
                if (last_slot) addr_reg <= {OUT_ADDR_W{1'b0}};
            end
        end
        if (layer_start) begin
            rows_reg     <= cfg_m;
            slot_reg     <= {SLOT_W{1'b0}};
            addr_reg     <= {OUT_ADDR_W{1'b0}};
            row_addr_reg <= cfg_out_base;
        end
        if (rst) begin
            rows_reg      <= 24'd0;
            reading_reg   <= 1'b0;
            cmd_valid_reg <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- stage 1: rd_data
    reg                       read_valid_reg;
    reg                       read_last_reg;
    wire                      s1_valid, s1_last;
    wire [ENTRY_W-1:0]        s1_data;
    reg                       s2_valid_reg;
    reg                       s2_last_reg;
    reg  [PART_W-1:0]         s2_part_reg;     // mask bits, or integer
    reg  [SLICE_W*WORD_W-1:0] s2_words_reg;    // kept words at the low end
    reg  [COUNT_W-1:0]        s2_count_reg;    // how many, 0 in readout
    wire                      s2_ready;
    wire                      s1_ready = !s2_valid_reg || s2_ready;
    wire [SLICE_W-1:0]        s1_keep;
    wire [SLICE_W*WORD_W-1:0] s1_words;
    wire [SLICE_W*WORD_W-1:0] s1_kept_words;
    wire [COUNT_W-1:0]        s1_count;
    reg  [PART_W-1:0]         s1_part;

    wire s1_room;
    assign read_ready = !read_valid_reg || s1_room;

    loas_cut #(.W(ENTRY_W + 1), .CUT(DEEP != 0 ? 2 : 0)) read_cut_inst (
        .clk(clk), .rst(rst), .s_valid(read_valid_reg), .s_ready(s1_room), .s_data({read_last_reg, rd_data}),
        .m_valid(s1_valid), .m_ready(s1_ready), .m_data({s1_last, s1_data})
    );

    genvar k;
    generate
        for (k = 0; k < SLICE_W; k = k + 1) begin : gen_word
            assign s1_keep[k] = |s1_data[k*T +: T] && !cfg_readout;
            assign s1_words[k*WORD_W +: T] = s1_data[k*T +: T];
            if (WORD_W > T) begin : gen_pad
                assign s1_words[k*WORD_W+T +: WORD_W-T] = {(WORD_W-T){1'b0}};
            end
        end
        if (ENTRY_W > SLICE_W * T) begin : gen_value_only
            wire unused_high = &{1'b0, s1_data[ENTRY_W-1:SLICE_W*T]};
        end
    endgenerate

    always @* begin
        s1_part = {PART_W{1'b0}};
        if (cfg_readout) s1_part[31:0] = s1_data[31:0];
        else s1_part[SLICE_W-1:0] = s1_keep;
    end

    loas_compact_slice #(.SLICE_W(SLICE_W), .WORD_W(WORD_W)) compact_inst (
        .words(s1_words), .keep(s1_keep), .packed_words(s1_kept_words), .count(s1_count)
    );

    always @(posedge clk) begin
        if (read_ready) begin
            read_valid_reg <= read;
            read_last_reg  <= read_last;
        end
        if (s1_ready) s2_valid_reg <= s1_valid;
        if (s1_ready && s1_valid) begin
            s2_last_reg  <= s1_last;
            s2_part_reg  <= s1_part;
            s2_words_reg <= s1_kept_words;
            s2_count_reg <= s1_count;
        end
        if (rst) begin
            read_valid_reg <= 1'b0;
            s2_valid_reg   <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- stage 2: head chunks
    reg  [CHUNK_W-1:0]   head_reg;       // chunk being gathered; zero where nothing came yet
    reg  [CHUNK_LOG-1:0] head_pos_reg;   // entries in it
    wire                 head_complete = s2_last_reg || head_pos_reg == head_last;
    wire                 head_ready;     // of the head FIFO
    wire                 word_room;
    wire                 s2_take   = s2_valid_reg && s2_ready;

    assign s2_ready = word_room && (!head_complete || head_ready);

    reg [CHUNK_W-1:0] part_wide;
    reg [CHUNK_W-1:0] head;
    always @* begin
        part_wide = {CHUNK_W{1'b0}};
        part_wide[PART_W-1:0] = s2_part_reg;
        head = head_reg | (part_wide << (cfg_readout ? {head_pos_reg, 5'd0} : {5'd0, head_pos_reg} << SLICE_LOG));
    end

    always @(posedge clk) begin
        if (s2_take) begin
            head_reg     <= head_complete ? {CHUNK_W{1'b0}} : head;
            head_pos_reg <= head_complete ? {CHUNK_LOG{1'b0}} : head_pos_reg + 1'b1;
        end
        if (rst) begin
            head_reg     <= {CHUNK_W{1'b0}};
            head_pos_reg <= {CHUNK_LOG{1'b0}};
        end
    end

    wire               head_fifo_valid;
    wire               head_fifo_ready;
    wire [CHUNK_W-1:0] head_fifo_data;
    wire [$clog2(HEAD_DEPTH+1)-1:0] unused_head_level;
    loas_fifo_ram #(.W(CHUNK_W), .DEPTH(HEAD_DEPTH)) head_fifo_inst (
        .clk(clk), .rst(rst),
        .s_valid(s2_valid_reg && head_complete && word_room), .s_ready(head_ready), .s_data(head),
        .m_valid(head_fifo_valid), .m_ready(head_fifo_ready), .m_data(head_fifo_data), .level(unused_head_level)
    );

    // ---------------------------------------------------------------- stage 2: word chunks
    // An entry is appended when, after this cycle's chunk left, less than a chunk is waiting: so at most CHUNK_WORDS -
    // 1 + SLICE_W words are ever held. After a row's last entry the rest is flushed, zero padded, before the next row's
    // words.
    reg  [PACKER_W-1:0] packer_reg;     // zero above the words it holds
    reg  [FILL_W-1:0]   fill_reg;       // words it holds
    reg                 flush_reg;      // they end a row
    wire                word_ready;     // of the word FIFO
    wire                word_full   = fill_reg >= FULL;
    wire                word_send   = word_full || (flush_reg && fill_reg != {FILL_W{1'b0}});
    wire                word_leaves = word_send && word_ready;
    wire [FILL_W-1:0]   fill_left   = !word_leaves ? fill_reg
                                    : word_full ? fill_reg - FULL : {FILL_W{1'b0}};
    wire [PACKER_W-1:0] packer_left = word_leaves ? packer_reg >> CHUNK_W : packer_reg;
    wire [PACKER_W-1:0] words_wide  = {{CHUNK_W{1'b0}}, s2_words_reg};

    assign word_room = fill_left < FULL && (!flush_reg || fill_left == {FILL_W{1'b0}});

    always @(posedge clk) begin
        if (word_leaves || s2_take)
            packer_reg <= !s2_take ? packer_left : packer_left | (words_wide << (fill_left * WORD_W));
        fill_reg <= !s2_take ? fill_left : fill_left + {{(FILL_W-COUNT_W){1'b0}}, s2_count_reg};
        if (s2_take) flush_reg <= s2_last_reg;
        else if (fill_left == {FILL_W{1'b0}}) flush_reg <= 1'b0;
        if (rst) begin
            packer_reg <= {PACKER_W{1'b0}};
            fill_reg   <= {FILL_W{1'b0}};
            flush_reg  <= 1'b0;
        end
    end

    wire               word_fifo_valid;
    wire               word_fifo_ready;
    wire [CHUNK_W-1:0] word_fifo_data;
    wire [$clog2(TAIL_DEPTH+1)-1:0] unused_word_level;
    loas_fifo_ram #(.W(CHUNK_W), .DEPTH(TAIL_DEPTH)) word_fifo_inst (
        .clk(clk), .rst(rst),
        .s_valid(word_send), .s_ready(word_ready), .s_data(packer_reg[CHUNK_W-1:0]),
        .m_valid(word_fifo_valid), .m_ready(word_fifo_ready), .m_data(word_fifo_data), .level(unused_word_level)
    );

    // ---------------------------------------------------------------- sender
    wire               record_valid;
    wire               record_pop;
    wire [WORDS_W-1:0] record_count;
    wire [16:0]        record_chunks;   // of words
    wire [2:0]         unused_record_level;
    loas_fifo #(.W(17 + WORDS_W), .DEPTH(4)) record_fifo_inst (
        .clk(clk), .rst(rst),
        .s_valid(begin_row), .s_ready(record_ready), .s_data({word_chunks[16:0], row_count}),
        .m_valid(record_valid), .m_ready(record_pop), .m_data({record_chunks, record_count}),
        .level(unused_record_level)
    );

    localparam [1:0] ST_HEADER = 2'd0;
    localparam [1:0] ST_HEAD   = 2'd1;
    localparam [1:0] ST_WORDS  = 2'd2;

    reg  [1:0]  state_reg, state_next;
    reg  [16:0] chunks_reg, chunks_next;       // chunks of this state still to be sent
    reg  [16:0] words_reg, words_next;         // word chunks of the row
    reg  [23:0] unsent_reg, unsent_next;       // rows still to be sent
    reg         send_valid;
    wire        last_chunk   = chunks_reg == 17'd1;
    wire        row_sent     = wr_valid && wr_ready && last_chunk
                             && (state_reg == ST_WORDS || (state_reg == ST_HEAD && words_reg == 17'd0));

    reg  [CHUNK_W-1:0] send_data;
    always @* begin
        send_data = word_fifo_data;
        if (state_reg == ST_HEAD) send_data = head_fifo_data;
        if (state_reg == ST_HEADER) begin
            send_data = {CHUNK_W{1'b0}};
            send_data[WORDS_W-1:0] = record_count;
        end
    end

    assign wr_valid        = send_valid;
    assign wr_data         = send_data;
    assign record_pop      = state_reg == ST_HEADER && (wr_ready || cfg_readout);
    assign head_fifo_ready = state_reg == ST_HEAD && wr_ready;
    assign word_fifo_ready = state_reg == ST_WORDS && wr_ready;
    assign done            = unsent_reg == 24'd0 && !cmd_valid_reg;
    assign ev_row          = row_sent;

    always @* begin
        state_next  = state_reg;
        chunks_next = chunks_reg;
        words_next  = words_reg;
        unsent_next = unsent_reg;
        send_valid  = 1'b0;
        case (state_reg)
            // waits for a row; readout has no header and passes on
            ST_HEADER: begin
                send_valid = record_valid && !cfg_readout;
                if (record_valid && record_pop) begin
                    state_next  = ST_HEAD;
                    chunks_next = head_chunks;
                    words_next  = cfg_readout ? 17'd0 : record_chunks;
                end
            end
            // waits for mask chunks or integers
            ST_HEAD: begin
                send_valid = head_fifo_valid;
                if (head_fifo_valid && wr_ready) begin
                    chunks_next = chunks_reg - 1'b1;
                    if (last_chunk) begin
                        state_next  = words_reg == 17'd0 ? ST_HEADER : ST_WORDS;
                        chunks_next = words_reg;
                    end
                end
            end
            // waits for word chunks
            ST_WORDS: begin
                send_valid = word_fifo_valid;
                if (word_fifo_valid && wr_ready) begin
                    chunks_next = chunks_reg - 1'b1;
                    if (last_chunk) state_next = ST_HEADER;
                end
            end
            default: state_next = ST_HEADER;
        endcase
        if (row_sent) unsent_next = unsent_reg - 1'b1;
        if (layer_start) unsent_next = cfg_m;
    end

    always @(posedge clk) begin
        state_reg  <= state_next;
        chunks_reg <= chunks_next;
        words_reg  <= words_next;
        unsent_reg <= unsent_next;
        if (rst) begin
            state_reg  <= ST_HEADER;
            unsent_reg <= 24'd0;
        end
    end

endmodule

`resetall
