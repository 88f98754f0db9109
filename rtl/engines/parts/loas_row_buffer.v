// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Holds two rows of A with their prefix sums: one is joined while the next is loaded.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a row of A meets every column of a block, so its masks, words and prefix sums are worth keeping: the sums
// are made once for a row, by one laggy prefix sum while the row comes in, and every column finds them in a RAM. The
// row of a convolution is made of the fibers of the pixels in its window, one behind the other: their masks are joined
// at slices, their words without a gap, so that behind this buffer a window is a row like any other.
//
// Contract: s_* are the pixels of the rows in order, each with the address of its fiber, or not inside the map (then
// silent), s_last with a row's last; a fully connected row is one pixel. Each has s_slices slices of mask. Rows go to
// banks 0, 1, 0, 1, ...; a row waits until its bank is free; `free` (pulse) gives back the older bank. Layout:
// docs/image-format.md. What is there:
//   mask chunk c of bank b    when complete[b], or ld_valid && ld_bank == b && c < ld_masks
//   prefix sums and words     when complete[b]
// Reads take one cycle and hold (loas_ram). The sums of a mask chunk, BASE_W bits each, number of words of the row in
// front:
//   LAGGY: of each slice, slice 0 lowest, CHUNK_W / SLICE_W cycles a chunk;  FAST: of the chunk alone, a cycle a chunk.
// Words go on coming in while the sums of the last chunk are made.
// Edges: a header above s_slices * SLICE_W raises err with the address of its fiber; headers that do not add up to the
// ones of the masks, or masks that do not make cfg_chunks chunks, raise it with that of the last pixel. The row never
// becomes complete.
module loas_row_buffer #(
    parameter integer T       = 4,
    parameter integer CHUNK_W = 128,
    parameter integer SLICE_W = 16,
    parameter integer K_MAX   = 8192,   // the RAMs hold 2 * K_MAX masks and packed words
    parameter integer LAGGY   = 1,
    parameter integer WINDOW  = 1,      // chunks of mask read together
    parameter integer LINE_W  = 1024
) (
    input  wire                                    clk,
    input  wire                                    rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      cfg_chunks,   // mask chunks of a row

    // pixels
    input  wire                                    s_valid,
    output wire                                    s_ready,
    input  wire [31:0]                             s_addr,
    input  wire                                    s_inside,
    input  wire [$clog2(K_MAX/SLICE_W+1)-1:0]      s_slices,     // mask slices of the pixel
    input  wire                                    s_last,
    input  wire                                    free,

    // lines of the row
    output wire                                    req_valid,
    input  wire                                    req_ready,
    output wire [31:0]                             req_addr,
    input  wire                                    rsp_valid,
    input  wire [LINE_W-1:0]                       rsp_data,

    // what is there
    output wire [1:0]                              complete,
    output wire                                    ld_valid,
    output wire                                    ld_bank,
    output wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      ld_masks,

    // reads
    input  wire                                    mask_rd_en,
    input  wire                                    mask_rd_bank,
    input  wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] mask_rd_window,
    output wire [WINDOW*CHUNK_W-1:0]               mask_rd_data,  // chunks that are not there: anything
    input  wire                                    base_rd_en,
    input  wire                                    base_rd_bank,
    input  wire [(K_MAX > CHUNK_W ? $clog2(K_MAX/CHUNK_W) : 1)-1:0] base_rd_chunk,
    // FAST: of the window of base_rd_chunk
    output wire [(LAGGY != 0 ? CHUNK_W/SLICE_W : WINDOW)*$clog2(K_MAX+1)-1:0] base_rd_data,
    input  wire                                    word_rd_en,
    input  wire                                    word_rd_bank,
    input  wire [$clog2(K_MAX+1)-1:0]              word_rd_index,  // of a word in the row
    output wire [T-1:0]                            word_rd_data,
    output wire [CHUNK_W-1:0]                      word_rd_chunk,  // the chunk that it is in, all words

    output reg                                     err,
    output wire [31:0]                             err_addr
);

    localparam integer WORD_W   = 1 << $clog2(T);
    localparam integer CHUNKS   = K_MAX / CHUNK_W;
    localparam integer CHUNKS_W = $clog2(CHUNKS + 1);
    localparam integer CHUNK_AW = CHUNKS > 1 ? $clog2(CHUNKS) : 1;
    localparam integer SLICES_W = $clog2(K_MAX / SLICE_W + 1);
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer PARTS    = CHUNK_W / SLICE_W;                       // slices of a chunk
    localparam integer PARTS_W  = $clog2(PARTS + 1);
    localparam integer WORDS    = CHUNK_W / WORD_W;                        // packed words of a chunk, at least 2
    localparam integer WORDS_B  = $clog2(WORDS);
    localparam integer WORD_AW  = CHUNKS * WORD_W > 1 ? $clog2(CHUNKS * WORD_W) : 1;
    localparam integer BASES_W  = (LAGGY != 0 ? PARTS : 1) * BASE_W;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WIN_AW   = CHUNKS > WINDOW ? $clog2(CHUNKS / WINDOW) : 1;
    localparam integer LINE_B   = $clog2(LINE_W / 8);
    localparam integer CHUNK_B  = $clog2(CHUNK_W / 8);
    localparam integer PLACES   = LINE_W / CHUNK_W;

    localparam [2:0] WAIT = 3'd0, HEADER = 3'd1, MASKS = 3'd2, WORDS_IN = 3'd3, OUTSIDE = 3'd4, FLUSH = 3'd5,
        SUMS = 3'd6;

    reg [2:0]           phase_reg;       // WAIT: for a pixel, or for a bank
    reg                 begun_reg;       // a row is being loaded
    reg                 last_reg;        // this pixel is its last
    reg [31:0]          addr_reg;        // of the pixel's fiber
    reg [SLICES_W-1:0]  pixel_slices_reg;
    reg [SLICES_W-1:0]  slices_reg;      // slices of the pixel to come
    reg [BASE_W-1:0]    words_reg;       // words of the pixel to come
    reg [BASE_W:0]      count_reg;       // words of the row, as the headers say
    reg [CHUNKS_W:0]    masks_reg;       // mask chunks of the row in the RAM
    reg [CHUNKS_W:0]    summed_reg;      // those whose sums are in the RAM
    reg [WORD_AW-1:0]   word_chunk_reg;  // next word chunk of the row
    reg [1:0]           used_reg;        // banks
    reg [1:0]           complete_reg;
    reg                 bank_reg;        // to be loaded, or being loaded
    reg                 old_reg;         // the older bank

    // ------------------------------------------------------------------------------------------------- lines to chunks
    reg               line_valid_reg;
    reg               asked_reg;
    reg [LINE_W-1:0]  line_reg;
    reg [31-LINE_B:0] line_num_reg;      // next line
    wire [CHUNK_W-1:0] chunk;
    wire              place_end;

    wire sum_ready;
    wire start     = s_valid && s_ready;
    wire in_line   = phase_reg == HEADER || phase_reg == MASKS || phase_reg == WORDS_IN;
    wire mask_end  = {1'b0, slices_reg} <= PARTS[SLICES_W:0];   // the pixel's last mask chunk
    wire word_end  = {1'b0, words_reg} <= WORDS[BASE_W:0];
    wire mask_full;                                            // a mask chunk of the row gets full
    wire mask_take = ((phase_reg == MASKS && line_valid_reg) || phase_reg == OUTSIDE) && (sum_ready || !mask_full);
    wire word_take = phase_reg == WORDS_IN && line_valid_reg;
    wire head_take = phase_reg == HEADER && line_valid_reg;
    wire take      = head_take || word_take || (mask_take && phase_reg == MASKS);
    wire no_words  = words_reg == {BASE_W{1'b0}};
    wire pixel_end = (word_take && word_end) || (mask_take && mask_end && (phase_reg == OUTSIDE || no_words));

    assign s_ready   = phase_reg == WAIT && (begun_reg || !used_reg[bank_reg]);
    assign req_valid = in_line && !line_valid_reg && !asked_reg;
    assign req_addr  = {line_num_reg, {LINE_B{1'b0}}};

    generate
        if (PLACES > 1) begin : gen_part
            reg [LINE_B-CHUNK_B-1:0] place_reg;
            assign place_end = &place_reg;
            assign chunk     = line_reg[place_reg*CHUNK_W +: CHUNK_W];
            always @(posedge clk) begin
                if (start) place_reg <= s_addr[LINE_B-1:CHUNK_B];
                else if (take) place_reg <= place_reg + 1'b1;
            end
        end else begin : gen_whole
            assign place_end = 1'b1;
            assign chunk     = line_reg;
        end
    endgenerate

    always @(posedge clk) begin
        if (rsp_valid) line_reg <= rsp_data;
        if (start) line_num_reg <= s_addr[31:LINE_B];
        else if (req_valid && req_ready) line_num_reg <= line_num_reg + 1'b1;
        if (req_valid && req_ready) asked_reg <= 1'b1;
        else if (rsp_valid) asked_reg <= 1'b0;
        if (rsp_valid) line_valid_reg <= 1'b1;
        else if (take && (place_end || pixel_end)) line_valid_reg <= 1'b0;
        if (rst) begin
            asked_reg      <= 1'b0;
            line_valid_reg <= 1'b0;
        end
    end

    // ----------------------------------------------------------------------------------- masks, joined at their slices
    reg  [CHUNK_W-1:0]   mask_part_reg;   // slices below mask_fill_reg
    reg  [PARTS_W-1:0]   mask_fill_reg;   // below PARTS

    wire [PARTS_W-1:0]   mask_new   = mask_end ? slices_reg[PARTS_W-1:0] : PARTS[PARTS_W-1:0];
    wire [CHUNK_W-1:0]   mask_in    = phase_reg == MASKS
        ? chunk & ~({CHUNK_W{1'b1}} << (mask_new * SLICE_W)) : {CHUNK_W{1'b0}};
    wire [2*CHUNK_W-1:0] mask_both  = ({{CHUNK_W{1'b0}}, mask_in} << (mask_fill_reg * SLICE_W))
        | {{CHUNK_W{1'b0}}, mask_part_reg};
    wire [PARTS_W:0]     mask_sum   = {1'b0, mask_fill_reg} + {1'b0, mask_new};
    wire                 mask_flush = phase_reg == FLUSH && mask_fill_reg != {PARTS_W{1'b0}};
    wire                 mask_wr    = (mask_take && mask_full) || (mask_flush && sum_ready);
    wire [CHUNK_W-1:0]   mask_out   = phase_reg == FLUSH ? mask_part_reg : mask_both[CHUNK_W-1:0];
    wire [PARTS_W:0]     mask_over  = mask_sum - PARTS[PARTS_W:0];

    assign mask_full = mask_sum >= PARTS[PARTS_W:0];

    // -------------------------------------------------------------------------------------------- words, without a gap
    reg  [CHUNK_W-1:0]   word_part_reg;
    reg  [WORDS_B-1:0]   word_fill_reg;

    wire [WORDS_B:0]     word_new   = word_end ? words_reg[WORDS_B:0] : WORDS[WORDS_B:0];
    wire [CHUNK_W-1:0]   word_in    = chunk & ~({CHUNK_W{1'b1}} << (word_new * WORD_W));
    wire [2*CHUNK_W-1:0] word_both  = ({{CHUNK_W{1'b0}}, word_in} << (word_fill_reg * WORD_W))
        | {{CHUNK_W{1'b0}}, word_part_reg};
    wire [WORDS_B:0]     word_sum   = {1'b0, word_fill_reg} + word_new;
    wire                 word_wr    = (word_take && word_sum[WORDS_B])
        || (phase_reg == FLUSH && word_fill_reg != {WORDS_B{1'b0}});
    wire [CHUNK_W-1:0]   word_out   = phase_reg == FLUSH ? word_part_reg : word_both[CHUNK_W-1:0];

    always @(posedge clk) begin
        if (mask_take) begin
            mask_part_reg <= mask_full ? mask_both[2*CHUNK_W-1:CHUNK_W] : mask_both[CHUNK_W-1:0];
            mask_fill_reg <= mask_full ? mask_over[PARTS_W-1:0] : mask_sum[PARTS_W-1:0];
        end
        if (word_take) begin
            word_part_reg <= word_sum[WORDS_B] ? word_both[2*CHUNK_W-1:CHUNK_W] : word_both[CHUNK_W-1:0];
            word_fill_reg <= word_sum[WORDS_B-1:0];
        end
        if (mask_flush && sum_ready) mask_fill_reg <= {PARTS_W{1'b0}};
        if (phase_reg == FLUSH) word_fill_reg <= {WORDS_B{1'b0}};
        if (rst || (start && !begun_reg)) begin
            mask_part_reg <= {CHUNK_W{1'b0}};
            mask_fill_reg <= {PARTS_W{1'b0}};
            word_part_reg <= {CHUNK_W{1'b0}};
            word_fill_reg <= {WORDS_B{1'b0}};
        end
    end

    // ------------------------------------------------------------------------------------------------------ the phases
    wire [31:0]       header     = chunk[31:0];
    wire [31:0]       most       = {{(32-SLICES_W){1'b0}}, pixel_slices_reg} << $clog2(SLICE_W);
    wire              header_bad = header > most;
    wire [BASE_W-1:0] total;
    wire              sums_done  = phase_reg == SUMS && summed_reg == masks_reg;
    wire              good       = {1'b0, total} == count_reg && masks_reg == {1'b0, cfg_chunks};
    wire              sum_wr;
    wire [2:0]        next_pixel = last_reg ? FLUSH : WAIT;

    assign complete = complete_reg;
    assign ld_valid = begun_reg;
    assign ld_bank  = bank_reg;
    assign ld_masks = masks_reg[CHUNKS_W-1:0];
    assign err_addr = addr_reg;

    always @(posedge clk) begin
        if (start) begin
            phase_reg  <= s_inside ? HEADER : OUTSIDE;
            last_reg   <= s_last;
            addr_reg   <= s_addr;
            slices_reg <= s_slices;
            pixel_slices_reg <= s_slices;
            if (!begun_reg) begin
                begun_reg          <= 1'b1;
                used_reg[bank_reg] <= 1'b1;
                count_reg          <= {(BASE_W+1){1'b0}};
                masks_reg          <= {(CHUNKS_W+1){1'b0}};
                summed_reg         <= {(CHUNKS_W+1){1'b0}};
                word_chunk_reg     <= {WORD_AW{1'b0}};
            end
        end
        if (head_take) begin
            phase_reg <= MASKS;
            words_reg <= header[BASE_W-1:0];
            count_reg <= count_reg + {1'b0, header[BASE_W-1:0]};
        end
        if (mask_take) begin
            slices_reg <= slices_reg - {{(SLICES_W-PARTS_W){1'b0}}, mask_new};
            if (mask_end) phase_reg <= phase_reg == OUTSIDE || no_words ? next_pixel : WORDS_IN;
        end
        if (word_take) begin
            words_reg <= words_reg - {{(BASE_W-WORDS_B-1){1'b0}}, word_new};
            if (word_end) phase_reg <= next_pixel;
        end
        if (phase_reg == FLUSH && !(mask_flush && !sum_ready)) phase_reg <= SUMS;
        if (mask_wr) masks_reg <= masks_reg + 1'b1;
        if (sum_wr) summed_reg <= summed_reg + 1'b1;
        if (word_wr) word_chunk_reg <= word_chunk_reg + 1'b1;
        if (sums_done && good) begin
            phase_reg              <= WAIT;
            begun_reg              <= 1'b0;
            complete_reg[bank_reg] <= 1'b1;
            bank_reg               <= !bank_reg;
        end
        err <= (head_take && header_bad) || (sums_done && !good);
        if (free) begin
            used_reg[old_reg]     <= 1'b0;
            complete_reg[old_reg] <= 1'b0;
            old_reg               <= !old_reg;
        end
        if (rst) begin
            phase_reg    <= WAIT;
            begun_reg    <= 1'b0;
            used_reg     <= 2'b00;
            complete_reg <= 2'b00;
            bank_reg     <= 1'b0;
            old_reg      <= 1'b0;
            err          <= 1'b0;
        end
    end

    // ----------------------------------------------------------------------------------------------------- prefix sums
    wire [BASES_W-1:0] bases;

    generate
        if (LAGGY != 0) begin : gen_laggy
            wire sum_busy;
            loas_prefix_laggy #(.W(CHUNK_W), .SLICE_W(SLICE_W), .BASE_W(BASE_W)) prefix_inst (
                .clk        (clk),
                .rst        (rst),
                .start      (mask_wr),
                .mask       (mask_out),
                .base       (masks_reg == {(CHUNKS_W+1){1'b0}} ? {BASE_W{1'b0}} : total),
                .busy       (sum_busy),
                .done       (sum_wr),
                .slice_base (bases),
                .total      (total)
            );
            assign sum_ready = !sum_busy;
        end else begin : gen_fast
            reg  [BASE_W-1:0]            total_reg;
            wire [$clog2(CHUNK_W+1)-1:0] ones;
            wire [BASE_W:0]              sum = {1'b0, bases} + {{(BASE_W+1-$clog2(CHUNK_W+1)){1'b0}}, ones};
            loas_popcount #(.W(CHUNK_W)) popcount_inst (.in(mask_out), .count(ones));
            assign sum_ready = 1'b1;
            assign sum_wr    = mask_wr;
            assign bases     = masks_reg == {(CHUNKS_W+1){1'b0}} ? {BASE_W{1'b0}} : total_reg;
            assign total     = total_reg;
            always @(posedge clk) begin
                if (mask_wr) total_reg <= sum[BASE_W-1:0];
            end
            wire unused_carry = sum[BASE_W];   // at most K_MAX ones
        end
    endgenerate

    // ------------------------------------------------------------------------------------------------------------ RAMs
    reg  [WORDS_B-1:0] word_reg;         // the word of the chunk
    wire [CHUNK_W-1:0] words;

    // chunk c of a window has a RAM of its own
    wire [WIN_AW-1:0] mask_wr_window = masks_reg[WINDOW_B +: WIN_AW];
    // a bit more, which is the window's number when there is but one
    wire [CHUNK_AW:0] base_rd_place  = {1'b0, base_rd_chunk};
    genvar c;
    generate
        for (c = 0; c < WINDOW; c = c + 1) begin : gen_window
            wire here;
            if (WINDOW > 1) begin : gen_pick
                assign here = masks_reg[WINDOW_B-1:0] == c;
            end else begin : gen_only
                assign here = 1'b1;
            end
            loas_ram #(.W(CHUNK_W), .DEPTH(2 << WIN_AW)) mask_ram_inst (
                .clk(clk),
                .wr_en(mask_wr && here), .wr_addr({bank_reg, mask_wr_window}), .wr_data(mask_out),
                .rd_en(mask_rd_en), .rd_addr({mask_rd_bank, mask_rd_window}),
                .rd_data(mask_rd_data[c*CHUNK_W +: CHUNK_W])
            );
            if (LAGGY == 0) begin : gen_base
                loas_ram #(.W(BASE_W), .DEPTH(2 << WIN_AW)) base_ram_inst (
                    .clk(clk),
                    // written with the mask
                    .wr_en(sum_wr && here), .wr_addr({bank_reg, mask_wr_window}), .wr_data(bases),
                    .rd_en(base_rd_en), .rd_addr({base_rd_bank, base_rd_place[WINDOW_B +: WIN_AW]}),
                    .rd_data(base_rd_data[c*BASE_W +: BASE_W])
                );
            end
        end
        if (LAGGY != 0) begin : gen_bases
            loas_ram #(.W(BASES_W), .DEPTH(2 << CHUNK_AW)) base_ram_inst (
                .clk(clk),
                .wr_en(sum_wr), .wr_addr({bank_reg, summed_reg[CHUNK_AW-1:0]}), .wr_data(bases),
                .rd_en(base_rd_en), .rd_addr({base_rd_bank, base_rd_chunk}), .rd_data(base_rd_data)
            );
        end
    endgenerate

    loas_ram #(.W(CHUNK_W), .DEPTH(2 << WORD_AW)) word_ram_inst (
        .clk(clk),
        .wr_en(word_wr), .wr_addr({bank_reg, word_chunk_reg}), .wr_data(word_out),
        .rd_en(word_rd_en), .rd_addr({word_rd_bank, word_rd_index[WORDS_B +: WORD_AW]}), .rd_data(words)
    );

    assign word_rd_data  = words[word_reg*WORD_W +: T];
    assign word_rd_chunk = words;

    always @(posedge clk) begin
        if (word_rd_en) word_reg <= word_rd_index[WORDS_B-1:0];
    end

    wire unused_ok = &{1'b0, word_rd_index, s_addr, mask_over, base_rd_place};

endmodule

`resetall
